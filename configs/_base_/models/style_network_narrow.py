# style_network.py half as wide, with fewer blocks; the loss network a quarter as wide, of random filters, so that
# nothing has to be fetched, and losses relative to what they compare with, so that its scale does not matter. A drawn
# style.
_base_ = './style_network.py'
norm_groups = 16  # the narrowest layers have 16 channels
model = dict(
    network=dict(width=16, blocks=3, decoder='resize'),
    style='drawn://strokes',
    style_size=192,
    loss_network=dict(checkpoint=None, width=0.25),
    loss=dict(content=1.0, style=2.0, variation=2.0, relative=True),
)
