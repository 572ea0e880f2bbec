# small.py with the eleven classes of CamVid, each weighed by about the inverse root of its share of the drawn pixels:
# so poles, signs, fences and people are learnt at all within some hundred iterations.
_base_ = './small.py'
segmentor = dict(
    decode_head=dict(
        num_classes=11,
        loss_decode=dict(
            type='CrossEntropyLoss',
            # sky, building, pole, road, sidewalk, tree, sign, fence, car, pedestrian, bicyclist
            class_weight=[0.4, 0.45, 1.9, 0.3, 1.05, 0.75, 3.3, 3.8, 0.95, 4.0, 4.6],
            avg_non_ignore=False,
        ),
    )
)  # the mean is over the weights of labelled pixels
