"""ONNX Runtime on the CPU: models of one node each, written here, so that no package `onnx` is needed."""

from __future__ import annotations

import struct
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.of_numpy import array, pack
from mlimage.runtime.probe.operation import TOLERANCES, Operation, Values, little_endian
from mlimage.runtime.probe.plain import convolution, product, softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOUND = 2e-6
_FLOAT = 1


def operations() -> Iterator[Operation]:
    """Everything that is asked of ONNX Runtime."""
    np: Any = import_module("numpy")
    a, b, wide = array((32, 64), 1), array((64, 48), 2), array((32, 64), 3) * 4
    x, kernel = array((2, 8, 10, 10), 4), array((12, 8, 3, 3), 5) / 8
    yield _session("matmul", "MatMul", a, b, lambda: product(a, b))
    yield _session("softmax", "Softmax", wide, None, lambda: softmax(wide))
    yield _session("tanh", "Tanh", wide, None, lambda: np.tanh(wide.astype("float64")))
    yield _session("sigmoid", "Sigmoid", wide, None, lambda: 1 / (1 + np.exp(-wide.astype("float64"))))
    yield _session("conv", "Conv", x, kernel, lambda: convolution(x, kernel))


def _session(name: str, node: str, x: Any, weight: Any, truth: Callable[[], Any]) -> Operation:
    def compute() -> Values:
        ort: Any = import_module("onnxruntime")
        session = ort.InferenceSession(model(node, x, weight), providers=["CPUExecutionProvider"])
        return pack(session.run(None, {"x": x})[0])

    return Operation(
        f"onnxruntime.{name}", compute, lambda ours: (ours, pack(truth())), _BOUND, TOLERANCES["float32"]
    )


def model(node: str, x: Any, weight: Any) -> bytes:
    """A `ModelProto` (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) of `y = node(x, weight)`."""
    names = ["x"] if weight is None else ["x", "w"]
    inputs = b"".join(_field(1, name.encode()) for name in names)
    graph = _field(1, inputs + _field(2, b"y") + _field(4, node.encode())) + _field(2, b"probe")
    if weight is not None:
        dims = b"".join(_number(1, size) for size in weight.shape)
        content = little_endian(weight.astype("float32").tobytes(), 4)
        graph += _field(5, dims + _number(2, _FLOAT) + _field(8, b"w") + _field(9, content))
    shape = b"".join(_field(1, _number(1, size)) for size in x.shape)
    graph += _field(11, _value("x", _field(2, shape))) + _field(12, _value("y", b""))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 17))


def _value(name: str, shape: bytes) -> bytes:
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT) + shape))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found += struct.pack("B", value & 0x7F | 0x80)
        value >>= 7
    return bytes(found) + struct.pack("B", value)
