# What makes source images more various, behind a pipeline's resizing and cropping: mirrors, light and colour, blur,
# noise; and the end of that pipeline.
disturbances = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomBlur', prob=0.5, kernel=5),
    dict(type='RandomNoise', prob=0.5, deviation=(2.0, 12.0)),
    dict(type='PackSegInputs')]
