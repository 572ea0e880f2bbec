"""Training with parameters, gradients and optimiser states in shards, one a process (torch's `fully_shard`, "FSDP2").

For networks that do not fit a GPU whole; `tools/train.py --fsdp`. mmengine's own FSDP refuses CPUs and
writes checkpoints of its own kind. Here checkpoints are whole and the same as everyone's: they test, predict and resume
on any number of processes, with shards or without. SW and SyncBN join their statistics as ever.

Tried with gloo on CPUs, where the tests compare it with one process on the joined batch; not on GPUs.
"""

from mmengine.device import get_device
from mmengine.dist import broadcast, get_world_size
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

__all__ = ['ShardedRunner', 'shard', 'whole']


@RUNNERS.register_module()
class ShardedRunner(Runner):
    """mmengine's runner for a model whose `forward` is all that training runs, in several processes.

    Hooks that compute with the model on the first process alone, such as `SamplePicturesHook` and
    `ImportanceRatioHook`, would wait for ever for the others: leave them out.
    """

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Initialises, makes all processes' copies the same, and shards; the model stays what it is."""
        if get_world_size() < 2:
            raise ValueError('sharding needs several processes: tools/dist_train.sh CONFIG N --fsdp')
        model = model.to(get_device())
        if hasattr(model, 'init_weights'):
            model.init_weights()
        for value in model.state_dict().values():
            broadcast(value)
        return shard(model)

    def _init_model_weights(self) -> None:
        """Done before sharding."""

    def save_checkpoint(self, *args, **kwargs) -> None:
        """mmengine's, with whole tensors: every process takes part in joining them, the first one writes."""
        optimizer = self.optim_wrapper.state_dict() if kwargs.get('save_optimizer', True) else None
        self._whole = {'state_dict': whole(self.model.state_dict())}
        if optimizer is not None:
            self._whole['optimizer'] = whole(optimizer)
        try:
            super().save_checkpoint(*args, **kwargs)
        finally:
            del self._whole

    def call_hook(self, fn_name: str, **kwargs) -> None:
        """Puts whole tensors into a checkpoint before it is written, and shards into one that was read."""
        super().call_hook(fn_name, **kwargs)
        if fn_name == 'before_save_checkpoint':
            kwargs['checkpoint'].update(self._whole)
        elif fn_name == 'after_load_checkpoint':
            state, expected = kwargs['checkpoint']['state_dict'], self.model.state_dict()
            for key in expected:  # in an order that all processes share
                if key in state:
                    state[key] = like(expected[key], state[key])

    def resume(self, *args, **kwargs) -> None:
        """mmengine's; the optimiser's states become shards as their parameters are."""
        super().resume(*args, **kwargs)
        for parameter, states in self.optim_wrapper.optimizer.state.items():
            states.update({key: like(parameter, value) for key, value in states.items()})


def shard(model: nn.Module) -> nn.Module:
    """Shards a model over all processes, in place: each stage of its backbone on its own, the rest together."""
    mesh = init_device_mesh(get_device().split(':')[0], (get_world_size(),))
    backbone = getattr(model, 'backbone', model)
    for stage in backbone.children():
        if isinstance(stage, nn.Sequential) and any(True for _ in stage.parameters()):
            fully_shard(stage, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def whole(nest: object) -> object:
    """A nest of dicts and lists with every sharded tensor joined, on the CPU. All processes must call it."""
    if isinstance(nest, dict):
        return {key: whole(value) for key, value in nest.items()}
    if isinstance(nest, (list, tuple)):
        return type(nest)(whole(value) for value in nest)
    if isinstance(nest, DTensor):
        nest = nest.full_tensor()
    return nest.detach().cpu() if isinstance(nest, Tensor) else nest


def like(target: Tensor, value: object) -> object:
    """A whole tensor in shards as `target` is, where it has its shape; anything else as it came."""
    whole_tensor = isinstance(value, Tensor) and not isinstance(value, DTensor)
    if whole_tensor and isinstance(target, DTensor) and value.shape == target.shape:
        return distribute_tensor(value.to(target.device, target.dtype), target.device_mesh, target.placements)
    return value
