"""TensorFlow on the CPU: Eigen's and oneDNN's kernels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.of_numpy import array, pack
from mlimage.runtime.probe.operation import TOLERANCES, Operation, Values
from mlimage.runtime.probe.plain import convolution, product, softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOUND = 2e-6


def operations() -> Iterator[Operation]:
    """Everything that is asked of TensorFlow."""
    tf: Any = import_module("tensorflow")
    np: Any = import_module("numpy")
    a, b, wide = array((32, 64), 1), array((64, 48), 2), array((32, 64), 3) * 4
    x, kernel = array((2, 8, 10, 10), 4), array((12, 8, 3, 3), 5) / 8
    # TensorFlow's CPU kernels take channels last only.
    last, filters = x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0)
    yield _eager(tf, "matmul", lambda: tf.matmul(a, b), lambda: product(a, b))
    yield _eager(tf, "exp", lambda: tf.exp(wide), lambda: np.exp(wide.astype("float64")))
    yield _eager(tf, "tanh", lambda: tf.tanh(wide), lambda: np.tanh(wide.astype("float64")))
    yield _eager(tf, "softmax", lambda: tf.nn.softmax(wide), lambda: softmax(wide))
    yield _eager(
        tf,
        "conv",
        lambda: tf.nn.conv2d(last, filters, 1, "VALID"),
        lambda: convolution(x, kernel).transpose(0, 2, 3, 1),
    )
    yield _eager(tf, "sum", lambda: tf.reduce_sum(wide, 1), lambda: wide.astype("float64").sum(1))


def _eager(tf: Any, name: str, compute: Callable[[], Any], truth: Callable[[], Any]) -> Operation:
    def values() -> Values:
        with tf.device("/CPU:0"):
            return pack(compute().numpy())

    return Operation(
        f"tensorflow.{name}", values, lambda ours: (ours, pack(truth())), _BOUND, TOLERANCES["float32"]
    )
