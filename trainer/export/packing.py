"""Weights of an ONNX graph stored in fewer bits; the graph turns them back and computes in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

MATRICES = {"Conv", "Gemm", "MatMul"}  # whose second input is a weight


def pack(model: Any, precision: str) -> None:
    """Store the weights of convolutions and matrix products as ``fp16``, ``bf16`` or ``int8``, in place.

    Of int8 every output channel has a scale of its own, the largest magnitude over 127.
    """
    if precision == "fp32":
        return
    graph, nodes = model.graph, []
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for name, axis in _channels(graph, weights).items():
        tensor = weights[name]
        new, node = (_int8 if precision == "int8" else _half)(tensor, axis, precision)
        graph.initializer.remove(tensor)
        graph.initializer.extend(new)
        nodes.append(node)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _channels(graph: Any, weights: dict[str, Any]) -> dict[str, int]:
    """Return which float weights can be packed, and the axis of their output channels."""
    found: dict[str, int] = {}
    for node in graph.node:
        name = node.input[1] if node.op_type in MATRICES else None
        if name in weights and weights[name].data_type == 1 and len(weights[name].dims) > 1:
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            last = len(weights[name].dims) - 1
            found[name] = 0 if node.op_type == "Conv" or transposed else last
    return found


def _int8(tensor: Any, axis: int, _: str) -> tuple[list[Any], Any]:
    from onnx import helper, numpy_helper

    values = numpy_helper.to_array(tensor)
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / 127
    packed = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    name = tensor.name
    new = [
        numpy_helper.from_array(packed, f"{name}_int8"),
        numpy_helper.from_array(scale.reshape(-1).astype(np.float32), f"{name}_scale"),
        numpy_helper.from_array(np.zeros(scale.size, np.int8), f"{name}_zero"),
    ]
    return new, helper.make_node("DequantizeLinear", [each.name for each in new], [name], axis=axis)


def _half(tensor: Any, _: int, precision: str) -> tuple[list[Any], Any]:
    import torch
    from onnx import TensorProto, helper, numpy_helper

    kind, dtype = (
        (TensorProto.BFLOAT16, torch.bfloat16) if precision == "bf16" else (TensorProto.FLOAT16, torch.float16)
    )
    values = torch.from_numpy(numpy_helper.to_array(tensor).copy()).to(dtype)
    raw = values.view(torch.int16).numpy().tobytes()
    new = helper.make_tensor(f"{tensor.name}_{precision}", kind, list(tensor.dims), raw, raw=True)
    return [new], helper.make_node("Cast", [new.name], [tensor.name], to=TensorProto.FLOAT)
