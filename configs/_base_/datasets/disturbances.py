# What makes source images more various, behind a pipeline's resizing and cropping: mirrors, light and colour; and blur
# and noise too; each with the end of the pipeline.
light = [dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]
disturbances = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomBlur', prob=0.5, kernel=5),
    dict(type='RandomNoise', prob=0.5, deviation=(2.0, 12.0)),
    dict(type='PackSegInputs'),
]
