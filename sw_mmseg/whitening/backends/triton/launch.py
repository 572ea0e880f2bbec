"""Starts a kernel with as little work on the host as Triton allows.

A small network on a fast GPU waits for its host, and Triton inspects every argument to find out which compiled kernel a
call needs. Here that is one look into a dictionary, keyed by what a kernel is specialised on: dtype and alignment of
tensors, integers themselves, and the constants. What is found is started with addresses for tensors, which Triton takes
as they are, where it asks the driver about a tensor.
"""

from collections.abc import Sequence
from typing import Any

import triton
from torch import Tensor, cuda

__all__ = ['compiled_for', 'launch']

_COMPILED: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}
_ALIGNMENT = 16  # bytes; Triton compiles wider loads for pointers that are multiples of it
_CACHED = 4096  # kernels; a network whose images all differ in size would collect them without end


def launch(kernel: triton.JITFunction, programs: int, *arguments: Tensor | int | float | None,
           **constants: Any) -> None:
    """`kernel[(programs,)](*arguments, **constants)` on the device of the first tensor.

    `constants` are the kernel's compile-time arguments, which follow its others, and launch options.
    """
    device = -1
    key: list[Any] = [id(kernel), *constants.values()]
    values: list[Any] = []
    for argument in arguments:
        if argument is None or type(argument) is int:
            values.append(argument)
            key.append(argument)
        elif isinstance(argument, Tensor):
            if device < 0:
                device = argument.get_device()
            address = argument.data_ptr()
            values.append(address)
            key.append(argument.dtype)
            key.append(address % _ALIGNMENT)
        else:
            values.append(argument)
            key.append(float)
    key.append(device)
    if device < 0 or device == cuda.current_device():
        _start(kernel, programs, arguments, values, constants, tuple(key))
    else:
        with cuda.device(device):
            _start(kernel, programs, arguments, values, constants, tuple(key))


def _start(kernel: triton.JITFunction, programs: int, arguments: tuple[Any, ...], values: list[Any],
           constants: dict[str, Any], key: tuple[Any, ...]) -> None:
    compiled, at_compilation = _COMPILED.get(key, (None, ()))
    if compiled is not None:  # private: the call of a compiled kernel, which triton's own launcher ends in
        compiled[(programs, 1, 1)](*values, *at_compilation)
        return
    compiled = compiled_for(kernel, programs, arguments, constants)
    if compiled is not None:
        if len(_COMPILED) >= _CACHED:
            _COMPILED.clear()
        _COMPILED[key] = compiled, tuple(constants[name] for name in kernel.arg_names[len(arguments):])


def compiled_for(kernel: triton.JITFunction, programs: int, arguments: Sequence[Any], constants: dict[str, Any]) -> Any:
    """Starts the kernel through Triton, and returns what was compiled: None in the interpreter, which compiles
    nothing."""
    return kernel[(programs,)](*arguments, **constants)
