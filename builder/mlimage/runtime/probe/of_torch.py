"""PyTorch on the CPU: ATen's own kernels, oneDNN, MKL, random numbers, a short training.

The truth of an operation in float32 is the same one in float64, on the CPU, which takes other kernels
throughout.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from mlimage.runtime.probe.inputs import floats, many_floats
from mlimage.runtime.probe.of_numpy import moments
from mlimage.runtime.probe.operation import TOLERANCES, Operation, Values, doubles, integers, little_endian

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUMS = 16
_BOUNDS = {"float32": 2e-6, "bfloat16": 2e-2}
_LONG = 512
"""Squared: ATen uses threads from 32,768 elements on."""

Make = Callable[[Any], Any]
"""From a type of PyTorch's to the tensor that is computed with it."""


def pack(tensor: Any) -> Values:
    """A tensor of any type; NumPy need not be there."""
    torch: Any = import_module("torch")
    dtype = str(tensor.dtype).rpartition(".")[2]
    kept = tensor.detach().to("cpu", torch.float32 if dtype == "bfloat16" else tensor.dtype).contiguous()
    width = kept.element_size()
    content = ctypes.string_at(kept.data_ptr(), kept.numel() * width)
    return Values(dtype, tuple(kept.shape), little_endian(content, width))


def tensor(shape: tuple[int, ...], salt: int) -> Any:
    """Exact numbers in [-1, 1), as float64."""
    torch: Any = import_module("torch")
    return torch.tensor(floats(math.prod(shape), salt), dtype=torch.float64).reshape(shape)


class Place(NamedTuple):
    """Where PyTorch computes.

    Attributes:
        group: of the operations' names.
        device: as PyTorch calls it.
        least: what an operation in float32 may be off its truth, and off another machine, at least.
        tf32: how far off its truth a product may be that shows TensorFloat-32; 0 where that is not asked for.
    """

    group: str
    device: str
    least: float
    tf32: float

    def operation(
        self, name: str, make: Make, *, low: str = "float32", bound: float | None = None
    ) -> Operation:
        """What `make` computes here in the lower precision; its truth is what it computes in float64.

        `make` gets a function that brings exact numbers here and into the type, so that the truth begins with
        equal ones.
        """
        torch: Any = import_module("torch")
        dtype = getattr(torch, low)
        least = self.least if low == "float32" else 0.0

        def compute() -> Values:
            with torch.no_grad():
                return pack(make(lambda x: x.to(self.device, dtype)))

        def truth(ours: Values) -> tuple[Values, Values]:
            with torch.no_grad():
                return ours, pack(make(lambda x: x.to(dtype).to(torch.float64)))

        allowed = max(bound or _BOUNDS[low], least)
        return Operation(f"{self.group}.{name}", compute, truth, allowed, max(TOLERANCES[low], least))


def operations() -> Iterator[Operation]:
    """Everything that is asked of PyTorch on the CPU."""
    return operations_at(Place("torch", "cpu", least=0.0, tf32=0.0))


def operations_at(place: Place) -> Iterator[Operation]:
    """Everything that is asked of PyTorch there."""
    torch: Any = import_module("torch")
    for parts in (_canaries, _products, _elementwise, _layers, _models, _random):
        yield from parts(torch, place)


def _canaries(torch: Any, place: Place) -> Iterator[Operation]:
    fine, one = torch.tensor([[1024.5]]), torch.ones(1, 1)

    def there(tensor: Any) -> Any:
        return tensor.to(place.device)

    # TensorFloat-32 has 10 bits behind the point of 1.x: 1024.5 becomes 1024 or 1025, pytorch#53635.
    yield Operation(
        f"{place.group}.tf32.matmul",
        lambda: pack(there(fine) @ there(one)),
        lambda ours: (ours, doubles([1024.5], (1, 1))),
        place.tf32,
        place.tf32,
    )
    yield Operation(
        f"{place.group}.tf32.conv",
        lambda: pack(
            torch.nn.functional.conv2d(there(fine)[None, None], there(one)[None, None]).reshape(1, 1)
        ),
        lambda ours: (ours, doubles([1024.5], (1, 1))),
        place.tf32,
        place.tf32,
    )
    large = torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32)
    yield Operation(
        f"{place.group}.overflow.int32",
        lambda: pack(there(large) + there(large)),
        lambda ours: (ours, integers([-2, 0])),
        0,
        0,
    )
    tied = (tensor((4096,), 5) * 50).floor()
    yield Operation(
        f"{place.group}.argsort.ties",
        lambda: pack(torch.argsort(there(tied))),
        lambda ours: (pack(tied[list(map(int, ours.numbers()))]), doubles(sorted(tied.tolist()))),
        0,
        None,
    )


def _products(torch: Any, place: Place) -> Iterator[Operation]:
    for side in (64, 160):
        a, b = tensor((side, side), 1), tensor((side, side), 2)
        yield place.operation(f"mm.{side}", _product(a, b))
    a, b, bias = tensor((32, 128), 3), tensor((96, 128), 4), tensor((96,), 5)
    for rows in (1, 8, 32):
        yield place.operation(f"linear.{rows}", _linear(torch, a[:rows], b, bias))
    yield place.operation("bmm", lambda to: torch.bmm(to(tensor((4, 32, 48), 6)), to(tensor((4, 48, 32), 7))))
    yield place.operation("mm.bfloat16", lambda to: to(a) @ to(b).T, low="bfloat16")
    v = torch.tensor(many_floats(_LONG, 8), dtype=torch.float64)
    yield place.operation(
        "sum",
        lambda to: _sums(torch, to(v)),
        bound=1e-5,
    )
    yield place.operation(
        "dot",
        lambda to: _dots(torch, to(v)),
        bound=1e-5,
    )
    square = tensor((64, 64), 9)
    dominant = square + 8 * torch.eye(64, dtype=torch.float64)
    side = tensor((64, 4), 10)
    yield Operation(
        f"{place.group}.solve.float64",
        lambda: pack(torch.linalg.solve(dominant.to(place.device), side.to(place.device))),
        lambda ours: (pack(_plain_product(dominant, _unpacked(torch, ours))), pack(side)),
        1e-12,
        TOLERANCES["float64"],
    )
    yield place.operation("svdvals", lambda to: torch.linalg.svdvals(to(square)), bound=1e-5)
    yield place.operation("rfft", lambda to: torch.view_as_real(torch.fft.rfft(to(tensor((1024,), 7)))))


def _product(a: Any, b: Any) -> Make:
    return lambda to: to(a) @ to(b)


def _linear(torch: Any, x: Any, weight: Any, bias: Any) -> Make:
    return lambda to: torch.nn.functional.linear(to(x), to(weight), to(bias))


def _applied(function: Callable[[Any], Any], x: Any) -> Make:
    return lambda to: function(to(x))


def _predicted(model: Any, x: Any) -> Make:
    return lambda to: _filled(to, model)(to(x))


def _sums(torch: Any, v: Any) -> Any:
    return torch.stack([v[i * 7 :].sum() for i in range(_SUMS)])


def _dots(torch: Any, v: Any) -> Any:
    return torch.stack([torch.dot(v[i * 7 :], v[: v.numel() - i * 7]) for i in range(_SUMS)])


def _elementwise(torch: Any, place: Place) -> Iterator[Operation]:
    x = tensor((4096,), 5) * 4
    for name in ("exp", "erf", "sigmoid"):
        yield place.operation(name, _applied(getattr(torch, name), x))
    wide = tensor((64, 128), 11) * 4
    yield place.operation("logsumexp", lambda to: torch.logsumexp(to(wide), 1))
    yield place.operation("softmax", lambda to: torch.softmax(to(wide), 1))
    yield place.operation("gelu", lambda to: torch.nn.functional.gelu(to(wide)))
    yield place.operation(
        "layernorm", lambda to: torch.nn.functional.layer_norm(to(wide), (128,)), bound=1e-5
    )


def _layers(torch: Any, place: Place) -> Iterator[Operation]:
    F: Any = torch.nn.functional  # noqa: N806 - as everybody calls it
    x, kernel = tensor((2, 16, 14, 14), 12), tensor((24, 16, 3, 3), 13) / 8
    last = torch.channels_last
    yield place.operation("conv2d", lambda to: F.conv2d(to(x), to(kernel), padding=1))
    yield place.operation(
        "conv2d.channels_last",
        lambda to: F.conv2d(
            to(x).contiguous(memory_format=last), to(kernel).contiguous(memory_format=last), padding=1
        ),
    )
    yield place.operation(
        "conv2d.depthwise", lambda to: F.conv2d(to(x), to(tensor((16, 1, 3, 3), 14)), padding=1, groups=16)
    )
    yield place.operation(
        "conv2d.bfloat16", lambda to: F.conv2d(to(x), to(kernel), padding=1), low="bfloat16"
    )
    yield place.operation(
        "conv1d", lambda to: F.conv1d(to(tensor((2, 16, 100), 15)), to(tensor((24, 16, 5), 16) / 8))
    )
    q, k, v = (tensor((2, 2, 32, 16), salt) for salt in (17, 18, 19))
    yield place.operation("attention", lambda to: F.scaled_dot_product_attention(to(q), to(k), to(v)))


def _models(torch: Any, place: Place) -> Iterator[Operation]:
    nn: Any = torch.nn
    recurrent = nn.LSTM(16, 32, 1, batch_first=True)
    layer = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    sequence, images = tensor((4, 20, 16), 20), tensor((16, 1, 14, 14), 21)
    words = tensor((4, 16, 32), 22)
    yield place.operation("lstm", lambda to: _recurred(to, recurrent, sequence))
    for rows in (1, 4):
        yield place.operation(f"transformer.{rows}", _predicted(encoder, words[:rows]), bound=1e-5)
    for rows in (1, 16):
        yield place.operation(f"cnn.{rows}", _predicted(network, images[:rows]), bound=1e-5)
    yield place.operation("training", lambda to: _trained(torch, to, network, images), bound=1e-4)


def _filled(to: Make, model: Any) -> Any:
    """The model with exact weights, in the type, ready to predict."""
    for salt, parameter in enumerate(model.parameters(), 100):
        scale = parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.125
        exact = tensor(tuple(parameter.shape), salt) * 2.0 ** round(math.log2(scale))
        parameter.data = to(exact)
    return model.eval()


def _recurred(to: Make, model: Any, sequence: Any) -> Any:
    _filled(to, model).flatten_parameters()  # else cuDNN warns, and does it at every call
    return model(to(sequence))[0]


def _trained(torch: Any, to: Make, model: Any, images: Any) -> Any:
    """Outputs after ten steps of plain gradient descent."""
    _filled(to, model)
    inputs = to(images)
    labels = torch.arange(len(images), device=inputs.device) % 10
    with torch.enable_grad():
        for _ in range(10):
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            for parameter, gradient in zip(
                model.parameters(), torch.autograd.grad(loss, list(model.parameters()))
            ):
                parameter.data = parameter.data - 0.05 * gradient
    return model(inputs)


def _random(torch: Any, place: Place) -> Iterator[Operation]:
    def generator() -> Any:
        return torch.Generator(device=place.device).manual_seed(0)

    yield Operation(
        f"{place.group}.randn.10",
        lambda: pack(torch.randn(10, generator=generator(), device=place.device)),
        moments,
        1.0,
        TOLERANCES["float32"],
    )
    yield Operation(
        f"{place.group}.randn",
        lambda: pack(torch.randn(4096, generator=generator(), device=place.device)),
        moments,
        0.1,
        TOLERANCES["float32"],
    )
    yield Operation(
        f"{place.group}.randperm",
        lambda: pack(torch.randperm(256, generator=generator(), device=place.device)),
        lambda ours: (integers(sorted(map(int, ours.numbers()))), integers(range(256))),
        0,
        0,
    )
    yield Operation(
        f"{place.group}.bernoulli",
        lambda: pack(torch.bernoulli(torch.full((4096,), 0.5, device=place.device), generator=generator())),
        lambda ours: (doubles([sum(ours.numbers()) / 4096]), doubles([0.5])),
        0.1,
        0,
    )


def _plain_product(a: Any, b: Any) -> Any:
    """The product by element-wise multiplication and sums, in which no BLAS takes part."""
    return (a[:, :, None] * b[None]).sum(1)


def _unpacked(torch: Any, ours: Values) -> Any:
    return torch.tensor(ours.numbers(), dtype=torch.float64).reshape(ours.shape)
