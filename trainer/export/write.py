"""A run written as one file, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from taxonomy import HiertaxError
from taxonomy.files import write_atomic
from trainer.export.about import About, seal
from trainer.export.network import captured, to_onnx
from trainer.export.packing import pack
from trainer.inference.predictor import Predictor

PRECISIONS: Final = ("fp32", "fp16", "bf16", "int8")
NEEDED = ("onnx", "onnxruntime", "onnxscript")


def export(predictor: Predictor, path: str | Path, *, to: str | None = None, precision: str = "fp32") -> Path:
    """Write a run as a file that carries classes, hierarchy, normalisation, calibration and decoding.

    Parameters
    ----------
    path
        The file; one that is there is replaced.
    to
        ``onnx``, ``pt2`` or ``safetensors``; by the file's suffix where not given.
    precision
        What weights are stored in: ``fp32``, or, for onnx, ``fp16``, ``bf16`` or ``int8``. All compute in float32.

    Raises
    ------
    HiertaxError
        If the folder is not there, the file cannot be written, or the network cannot be exported.
    """
    path = Path(path)
    kind = to or path.suffix.removeprefix(".")
    check_export(path, kind, precision)
    write_atomic(path, WRITERS[kind](predictor, About.of(predictor, precision)))
    return path


def check_export(path: Path, kind: str, precision: str) -> None:
    """Refuse what cannot be exported before anything is computed.

    Raises
    ------
    HiertaxError
        If it cannot.
    """
    if kind not in WRITERS:
        raise HiertaxError(f"`to` {kind or 'nothing'}: choose one of {', '.join(WRITERS)}")
    if precision not in PRECISIONS or (precision != "fp32" and kind != "onnx"):
        raise HiertaxError(
            f"`precision` {precision}: {kind} takes {', '.join(PRECISIONS[: 4 if kind == 'onnx' else 1])}"
        )
    if path.suffix != f".{kind}":
        raise HiertaxError(f"{path}: does not end in .{kind}; name it so, or change `to`")
    if not path.parent.is_dir():
        raise HiertaxError(f"{path}: cannot be written: {path.parent} is no folder; make it, or choose another place")
    if path.is_dir():
        raise HiertaxError(f"{path}: is a folder; name a file")
    if kind == "onnx":
        need_onnx()


def need_onnx() -> None:
    """Refuse where the libraries of ONNX are not installed.

    Raises
    ------
    HiertaxError
        If one is missing.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise HiertaxError(f"{', '.join(missing)}: not installed; do that by pip install 'hiertax[export]'")


def onnx_bytes(predictor: Predictor, about: About) -> bytes:
    """Return the run as ONNX."""
    from onnx import checker, helper

    names = [f"logits_{k}" for k in range(about.hierarchy.depth)]
    model = to_onnx(predictor, names)
    pack(model, about.precision)
    checker.check_model(model)
    metadata = about.to_metadata()
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]  # torch's traces, with paths of the machine that exported
    content = model.graph.SerializeToString(deterministic=True)
    helper.set_model_props(model, {**metadata, "sha256": seal(metadata, content)})
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _pt2(predictor: Predictor, about: About) -> bytes:
    import torch

    file = io.BytesIO()
    torch.export.save(captured(predictor), file, extra_files={"hiertax.json": _json(about)})
    return file.getvalue()


def _safetensors(predictor: Predictor, about: About) -> bytes:
    from safetensors.torch import save

    tensors = {name: tensor.cpu().contiguous() for name, tensor in predictor.network.state_dict().items()}
    return save(tensors, metadata=about.to_metadata())


def _json(about: About) -> str:
    import msgspec

    return msgspec.json.encode(about.to_metadata()).decode()


WRITERS: Mapping[str, Callable[[Predictor, About], bytes]] = {
    "onnx": onnx_bytes, "pt2": _pt2, "safetensors": _safetensors,
}  # fmt: skip
