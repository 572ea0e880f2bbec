"""The formats of exported networks: how a file is written, what runs it here, and int8 in place of fp32."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from sw_mmseg.files import write_encoded
from sw_mmseg.models.deployed import DeployedSegmentor
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.onnx_function import DOMAIN, add_functions, has_function, has_nodes, with_nodes
from sw_mmseg.whitening.inference import InferenceWhiten

if TYPE_CHECKING:
    import onnx

__all__ = ['FORMATS', 'Run', 'quantized', 'runner_of', 'save', 'torch_runner']

FORMATS = {'onnx': '.onnx', 'torchscript': '.pt', 'torch-export': '.pt2'}
OPSET = 17
RECTIFIERS = ('Relu', 'Clip')  # ReLU and ReLU6
SIZE = (128, 96)  # of the image that a tracer sees, width and height, where any other works as well
Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # image (1, H, W, 3) -> labels, logits


def save(model: DeployedSegmentor, file: Path, kind: str, size: tuple[int, int] = SIZE) -> None:
    """Writes the file, whatever its name ends with. `size` is the one that a program of torch.export is for."""
    example = torch.zeros(1, size[1], size[0], 3, dtype=torch.uint8)
    with torch.no_grad():
        if kind == 'torchscript':
            traced = torch.jit.trace(model, (example,), check_trace=False)
            write_encoded(file, partial(torch.jit.save, traced))
        elif kind == 'torch-export':
            # with sizes that may be any, torch refuses VGG16's poolings: sizes would have to be multiples of 8
            program = torch.export.export(model.for_size(size), (example,))
            write_encoded(file, partial(torch.export.save, program))
        else:
            _save_onnx(model, example, file)


def _save_onnx(model: DeployedSegmentor, example: torch.Tensor, file: Path) -> None:
    for name, module in model.named_modules():
        if isinstance(module, InferenceWhiten) and not has_function(module):
            raise UserError(
                f'{name} takes its inverse square root by {module.inverse_sqrt}, which no ONNX operator computes: '
                "export to TorchScript, or set inverse_sqrt='newton' and iterations=15 in the config, which is close"
            )
    sides = {1: 'height', 2: 'width'}
    model = with_nodes(model)
    torch.onnx.export(
        model,
        (example,),
        str(file),
        dynamo=False,  # the newer exporter takes minutes to reason about sizes that may be any
        input_names=['image'],
        output_names=['labels', 'logits'],
        dynamic_axes={'image': sides, 'labels': sides, 'logits': {2: 'height', 3: 'width'}},
        opset_version=OPSET,
        custom_opsets={DOMAIN: 1} if has_nodes(model) else None,
    )
    add_functions(file, OPSET)


def runner_of(file: Path, kind: str, threads: int = 0) -> Run | None:
    """What runs the file, on the CPU; None where ONNX Runtime is not installed. `threads` are those of ONNX Runtime, by
    default one a core; torch has its own setting."""
    if kind != 'onnx':
        return torch_runner(torch.jit.load(str(file)) if kind == 'torchscript' else torch.export.load(file).module())
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])
    return lambda image: tuple(session.run(None, {'image': image}))


def torch_runner(module: nn.Module) -> Run:
    """A module with its preprocessing as what runs a file."""

    @torch.no_grad()
    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels, logits = module(torch.from_numpy(image))
        return labels.numpy(), logits.numpy()

    return run


def quantized(file: Path, out: Path, images: Iterable[np.ndarray]) -> None:
    """Writes the ONNX model `file` with convolutions, and the ReLUs behind them, in int8, whose ranges come from
    `images` (1, H, W, 3); switchable layers stay in fp32. Raises UserError where ONNX Runtime is not installed."""
    try:
        import onnx.inliner
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise UserError("--int8 needs ONNX Runtime: pip install '.[export]'") from error

    class Images(quantization.CalibrationDataReader):
        """One image at a time, as ONNX Runtime asks for them."""

        def __init__(self) -> None:
            self._images = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            """The next input, or None at the end."""
            image = next(self._images, None)
            return None if image is None else {'image': image}

    flat = onnx.inliner.inline_local_functions(onnx.load(file))  # the quantiser does not look into functions
    with tempfile.TemporaryDirectory() as folder:
        whole, prepared = (str(Path(folder) / name) for name in ('whole.onnx', 'prepared.onnx'))
        onnx.save(flat, whole)
        # a bias that the exporter shares through an Identity would keep its convolution in fp32
        quant_pre_process(whole, prepared, skip_symbolic_shape=True)
        model = onnx.load(prepared)
    quantization.quantize_static(
        model,
        str(out),
        Images(),
        op_types_to_quantize=['Conv', *RECTIFIERS],
        nodes_to_quantize=_convolutions(model.graph),
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def _convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of convolutions and of the rectifiers behind them, which other layers use as well; names those without."""
    outputs = set()
    names = []
    for index, node in enumerate(graph.node):
        if node.op_type == 'Conv' or (node.op_type in RECTIFIERS and node.input[0] in outputs):
            node.name = node.name or f'{node.op_type}_{index}'
            names.append(node.name)
            outputs.update(node.output if node.op_type == 'Conv' else ())
    return names
