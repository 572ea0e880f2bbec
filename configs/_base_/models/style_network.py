# Johnson et al.'s transformation network and losses; weights of the losses are for torchvision's VGG16.
model = dict(
    type='Stylizer',
    network=dict(type='StyleNetwork', norm_cfg=dict(type='BN'), decoder='transposed'),
    style='data/styles/candy.jpg',
    loss_network=dict(checkpoint='torchvision://vgg16'),  # None: random filters
    loss=dict(type='PerceptualLoss', content=1e5, style=1e10, variation=1e3))
