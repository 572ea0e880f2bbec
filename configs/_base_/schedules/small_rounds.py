# small.py in three parts: on the source alone, then two rounds of self-training, each with a cycle of its own.
_base_ = './small.py'
source_iterations = 300
round_length = 150
warmup = 60
learning_rate = [
    dict(type='LinearLR', start_factor=0.04, begin=0, end=warmup, by_epoch=False),
    dict(
        type='CosineRestartLR',
        periods=[source_iterations - warmup, round_length, round_length],
        restart_weights=[1.0, 0.5, 0.5],
        eta_min=0.0,
        begin=warmup,
        end=source_iterations + 2 * round_length,
        by_epoch=False,
    ),
]
