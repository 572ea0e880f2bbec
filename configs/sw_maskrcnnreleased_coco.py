# sw_maskrcnn_coco.py from the authors' released ImageNet network, whose SW layers stand in the stem and in the middle
# of every second block: convert it first with tools/model_converters/switchable_whitening.py (docs/classification.md).
_base_ = './syncbn_maskrcnn_coco.py'
norm = dict(type='SW')
model = dict(
    backbone=dict(
        site_norm_cfg=norm,
        at=[
            'bn1',
            *(
                f'layer{stage}.{block}.bn2'
                for stage, blocks in enumerate((3, 4, 6), 1)
                for block in range(1, blocks, 2)
            ),
        ],
        init_cfg=dict(checkpoint='checkpoints/resnet50_sw.pth'),
    )
)
