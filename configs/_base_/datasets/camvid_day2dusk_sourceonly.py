# From day to dusk, photographs both: a change of light alone. Train on two sequences of CamVid by day (305
# photographs), score on the dusk of the test part (62); the validation part has no dusk, so that there is nothing to
# look at meanwhile. Sizes and pipelines are those of streets2camvid_sourceonly.py.
_base_ = './streets2camvid_sourceonly.py'
day = dict(type='CamVidDataset', data_root='data/camvid', split='train', sequences=['0006R0', '0016E5'])
source = dict(_delete_=True, pipeline={{_base_.source_pipeline}}, **day)
disturbed_source = dict(_delete_=True, pipeline={{_base_.disturbed_pipeline}}, **day)
train_dataloader = dict(dataset=dict(dataset=dict(_delete_=True, pipeline={{_base_.source_pipeline}}, **day)))
val_dataloader = dict(dataset=dict(split='test', sequences=['0001TP']))
test_dataloader = dict(dataset=dict(sequences=['0001TP']))
