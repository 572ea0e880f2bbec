# BN, trained faster: bfloat16, channels last, compiled. The recipe is otherwise the same.
_base_ = './bn_resnet50_imagenet.py'
optim_wrapper = dict(type='Bfloat16OptimWrapper')
custom_hooks = [*_base_.custom_hooks, dict(type='ChannelsLastHook')]
# dict(mode='reduce-overhead') adds CUDA graphs, and CUDAGraphHook records the step without compiling (docs/speed.md);
# which of them is fastest is unmeasured
compile = True
