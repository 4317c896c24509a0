"""A network from pixels to logits, as it is exported: what images are normalised by is part of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.inference.predictor import Predictor
from trainer.models.backbones.interface import Preprocessing
from trainer.models.methods import Network


class FromPixels(nn.Module):
    """Maps uint8 images ``[B, 3, S, S]`` to K logits float32 ``[B, C_k]``, coarsest level first."""

    scale: Tensor
    offset: Tensor

    def __init__(self, network: Network, preprocessing: Preprocessing) -> None:
        super().__init__()
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("offset", -mean / std)
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        return tuple(self.network(images.float() * self.scale + self.offset))


def captured(predictor: Predictor) -> torch.export.ExportedProgram:
    """Capture the network of a run as a graph for any number of images.

    Raises
    ------
    HiertaxError
        If torch cannot capture it.
    """
    size = predictor.config.image_size
    network = deepcopy(predictor.network).cpu()  # the run's own stays where it is
    network = network.to(memory_format=torch.contiguous_format)  # torch stores no others whole
    module = FromPixels(network, network.preprocessing).eval()
    images = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    batch = {"images": {0: torch.export.Dim("batch", min=1)}}
    program: torch.export.ExportedProgram = _in_a_line(
        predictor, "captured", lambda: torch.export.export(module, (images,), dynamic_shapes=batch)
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # with paths of the machine that exported
    return program


def to_onnx(predictor: Predictor, names: Sequence[str]) -> Any:
    """Return the graph as an ONNX ``ModelProto`` with one input ``images`` and an output for each level.

    Raises
    ------
    HiertaxError
        If it cannot be captured, or ONNX has no word for a part of it.
    """
    program = captured(predictor)
    made: Any = _in_a_line(
        predictor, "written as ONNX",
        lambda: torch.onnx.export(
            program, dynamo=True, input_names=["images"], output_names=list(names), verbose=False, optimize=True,
            dynamic_shapes={"images": {0: "batch"}},
        ),
    )  # fmt: skip
    return made.model_proto


def _in_a_line(predictor: Predictor, what: str, do: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about its own code
        try:
            return do()
        except Exception as error:  # torch raises what it likes here
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            config = predictor.config
            raise HiertaxError(
                f"{predictor.run}: {config.method} on {config.backbone} cannot be {what} ({reason}); "
                "export safetensors in its place"
            ) from None
