# Johnson et al.'s transformation network and losses; the losses' weights are theirs, in torchvision's VGG16's units
# (sw_mmseg/losses/perceptual.py).
norm = dict(type='BN')
norm_groups = 32  # of GN, should it be chosen
model = dict(
    type='Stylizer',
    network=dict(type='StyleNetwork', norm_cfg=norm, decoder='transposed'),
    style='data/styles/candy.jpg',
    loss_network=dict(checkpoint='torchvision://vgg16'),
    loss=dict(type='PerceptualLoss', content=1.0, style=1.7e4, variation=7.7),
)
