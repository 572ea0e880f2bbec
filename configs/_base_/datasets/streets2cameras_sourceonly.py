# streets for the small network, which learns enough in minutes to need more of its source: six images a batch, light
# and colours disturbed, images with rare classes more often.
_base_ = ['./streets_sourceonly.py', './disturbances.py']
batch_size = 6
disturbed_pipeline = [dict(type='LoadImage'), dict(type='LoadLabels'), *_base_.light]
disturbed_source = dict(type='GTA5Dataset', data_root=f'{_base_.data_root}/gta5', pipeline=disturbed_pipeline)
rare_class_sampling = dict(temperature=0.05)
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(dataset=dict(disturbed_source, _delete_=True), rare_class_sampling=rare_class_sampling),
)
