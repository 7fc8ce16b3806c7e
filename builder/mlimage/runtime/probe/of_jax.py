"""JAX on its default device: what XLA compiles for it."""

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
    """Everything that is asked of JAX."""
    jax: Any = import_module("jax")
    np: Any = import_module("numpy")
    a, b, wide = array((32, 64), 1), array((64, 48), 2), array((32, 64), 3) * 4
    x, kernel = array((2, 8, 10, 10), 4), array((12, 8, 3, 3), 5) / 8
    yield _compiled(jax, "matmul", lambda: jax.jit(jax.numpy.matmul)(a, b), lambda: product(a, b))
    yield _compiled(jax, "exp", lambda: jax.jit(jax.numpy.exp)(wide), lambda: np.exp(wide.astype("float64")))
    yield _compiled(
        jax, "tanh", lambda: jax.jit(jax.numpy.tanh)(wide), lambda: np.tanh(wide.astype("float64"))
    )
    yield _compiled(jax, "softmax", lambda: jax.jit(jax.nn.softmax)(wide), lambda: softmax(wide))
    yield _compiled(
        jax,
        "conv",
        lambda: jax.jit(lambda p, q: jax.lax.conv(p, q, (1, 1), "VALID"))(x, kernel),
        lambda: convolution(x, kernel),
    )
    yield _compiled(
        jax,
        "sum",
        lambda: jax.jit(jax.numpy.sum, static_argnums=1)(wide, 1),
        lambda: wide.astype("float64").sum(1),
    )


def _compiled(jax: Any, name: str, compute: Callable[[], Any], truth: Callable[[], Any]) -> Operation:
    def values() -> Values:
        # As float32 is meant, not as the TensorFloat-32 that is the default on a GPU.
        with jax.default_matmul_precision("highest"):
            return pack(compute())

    return Operation(f"jax.{name}", values, lambda ours: (ours, pack(truth())), _BOUND, TOLERANCES["float32"])
