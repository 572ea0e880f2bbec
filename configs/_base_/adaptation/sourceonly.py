# Source only: mmseg's encoder-decoder on labelled source images. No target image is ever forwarded while training.
custom_hooks = [
    dict(type='HealthHook'),  # stops at a loss that is no number
    dict(type='ImportanceRatioHook', interval=50),
    dict(type='SamplePicturesHook', interval=1000),
]
