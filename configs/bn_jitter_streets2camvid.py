# bn_sourceonly_streets2camvid.py in disturbed light and colours, rare classes first: no photograph is seen.
_base_ = './bn_sourceonly_streets2camvid.py'
train_dataloader = dict(
    dataset=dict(dataset=dict(_base_.disturbed_source, _delete_=True), rare_class_sampling=_base_.rare_class_sampling)
)
