"""How two fingerprints differ, and what each difference means for the numbers. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from mlimage.runtime.causes import CAUSES, Cause

Severity = Literal["tolerance", "bitwise", "cosmetic"]

SEVERITIES: Final[Mapping[Severity, str]] = {
    "tolerance": "numbers may differ beyond the tolerance",
    "bitwise": "last bits may differ",
    "cosmetic": "numbers do not depend on it",
}
"""The gravest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a difference in a field means.

    Attributes:
        field: of the fingerprint, as a pattern; the first rule that fits counts.
        severity: None where only the code path that it leads to matters, which the numeric class tells.
        cause: its id in the catalogue; None where it has none.
        why: what the field is.
    """

    field: str
    severity: Severity | None
    cause: str | None
    why: str


def _rule(field: str, severity: Severity | None, cause: str | None, why: str) -> Rule:
    return Rule(field=field, severity=severity, cause=cause, why=why)


def _rules(
    fields: tuple[str, ...], severity: Severity | None, cause: str | None, why: str
) -> tuple[Rule, ...]:
    return tuple(_rule(field, severity, cause, why) for field in fields)


RULES: Final = (
    _rule("image.lock", "bitwise", "A1", "another lock: other files in the image"),
    *_rules(
        ("image.digest", "image.id"),
        "cosmetic",
        None,
        "another image; lock and packages say whether its libraries differ",
    ),
    _rule("image.*", "cosmetic", None, "what the image is called"),
    _rule("profile", "bitwise", None, "another profile pins other things"),
    _rule("python.version", "bitwise", "A1", "another Python"),
    _rule("python.implementation", "tolerance", "A1", "another Python"),
    *_rules(("python.hash_seed", "env.PYTHONHASHSEED"), "bitwise", "D3", "the order of sets"),
    _rule("python.*", "cosmetic", None, "how Python was started"),
    _rule("libc.name", "tolerance", "A6", "another libc has another libm"),
    _rule("libc.*", "bitwise", "A6", "exp, sin, pow … come from libm"),
    _rule("packages.numeric.*", "tolerance", "A1", "another version may compute otherwise"),
    _rule("packages.sha256", "bitwise", "A1", "the packages are not the same"),
    _rule("packages.*", "cosmetic", None, "how many packages there are"),
    _rule("native.openblas.*.kernel", "bitwise", "B3", "OpenBLAS chose another kernel"),
    _rule("native.mkl.*.kernel", "bitwise", "B4", "MKL takes another code path"),
    *_rules(("native.*.threads", "torch.threads"), "bitwise", "B11", "sums are split among the threads"),
    _rule("native.*", "bitwise", "A4", "another library, or another build of it"),
    _rule("numpy.dispatch_*", "bitwise", "B1", "NumPy's loops for these instructions"),
    _rule("numpy.baseline", "bitwise", "B1", "what NumPy was built for"),
    _rule("numpy.*", "tolerance", "A1", "another NumPy"),
    _rule("numpy", "tolerance", "A1", "NumPy is not in both"),
    _rule("torch.cpu_capability", "bitwise", "B5", "PyTorch's own kernels"),
    _rule("torch.onednn.*", "bitwise", "B6", "oneDNN's kernels"),
    _rule("torch.interop_threads", "cosmetic", None, "how many operations may run beside each other"),
    *_rules(
        ("torch.fp32_precision.*", "torch.float32_matmul_precision", "env.*TF32*"),
        "tolerance",
        "C4",
        "whether float32 is computed as TensorFloat-32",
    ),
    _rule("torch.reduced_precision_reduction.*", "bitwise", "C5", "how sums of halves are kept"),
    _rule("torch.cudnn.*", "bitwise", "C2", "how cuDNN chooses its algorithms"),
    _rule("torch.deterministic", "bitwise", None, "whether PyTorch takes deterministic algorithms alone"),
    _rule("torch.fill_uninitialized", "cosmetic", None, "whether new memory is filled"),
    _rule("torch.default_dtype", "tolerance", None, "the type of PyTorch's new tensors"),
    _rule("torch*", "tolerance", "A1", "another PyTorch"),
    _rule("cuda", "bitwise", "C7", "a GPU in one of them alone"),
    _rule("cuda.*", "bitwise", "C7", "the GPU and its software"),
    _rule("cpu.architecture", "bitwise", "B9", "the architecture"),
    _rule("cpu.emulated", "tolerance", "B10", "whether another CPU pretends to be it"),
    _rule("cpu.ftz", "bitwise", "B13", "results that are flushed to zero"),
    _rule("cpu.daz", "bitwise", "B13", "inputs that are taken for zero"),
    _rule("cpu.*", None, None, "the CPU that libraries choose by"),
    _rule("limits.threads", "bitwise", "B11", "how many threads were chosen"),
    _rule("limits.*", "cosmetic", "E8", "what the container may use"),
    _rule("env.MLIMAGE_SEED", "tolerance", "D5", "the seed"),
    _rule("env.ONEDNN_DEFAULT_FPMATH_MODE", "tolerance", "B6", "whether oneDNN may compute in halves"),
    _rule("env.LD_*", "bitwise", "A4", "it can bring in other libraries"),
    _rule("env.CUBLAS_WORKSPACE_CONFIG", "bitwise", "C2", "how cuBLAS chooses its algorithms"),
    _rule("env.NCCL_*", "bitwise", "C8", "in which order GPUs add up"),
    _rule("env.CUDA_LAUNCH_BLOCKING", "cosmetic", None, "how the GPU is waited for"),
    _rule("env.XLA_FLAGS", "bitwise", "A7", "how XLA compiles"),
    _rule("env.TF_*", "bitwise", "B8", "how TensorFlow computes"),
    _rule("env.NUMBA_*", "bitwise", "A7", "which CPU Numba compiles for"),
    *_rules(
        ("env.LC_ALL", "env.LANG", "env.TZ"), "cosmetic", None, "language, or time zone: it changes texts"
    ),
    _rule("env.PYTHON*", "cosmetic", None, "how Python was started"),
    _rule("env.*", None, None, "the numeric class tells what came of it"),
    _rule("*", "bitwise", "?", "it is not in the list of what is known"),
)
_DERIVED: Final = frozenset({"schema", "numeric_class"})
_LONG: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which two fingerprints differ; `old` and `new` are None where it is not there."""

    field: str
    old: Any
    new: Any
    severity: Severity
    cause: Cause | None
    why: str


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """All of them, the gravest first, each explained by the first rule that fits its field."""
    before, after = dict(_fields(old)), dict(_fields(new))
    same_class = old.get("numeric_class") == new.get("numeric_class")
    found = [
        _explained(field, before.get(field), after.get(field), same_class=same_class)
        for field in dict.fromkeys((*before, *after))
        if before.get(field) != after.get(field)
    ]
    order = list(SEVERITIES)
    return tuple(sorted(found, key=lambda each: order.index(each.severity)))


def value_of(difference: Difference) -> dict[str, Any]:
    """A difference as a JSON value."""
    return {
        "field": difference.field,
        "old": difference.old,
        "new": difference.new,
        "severity": difference.severity,
        "why": difference.why,
        "cause": difference.cause._asdict() if difference.cause else None,
    }


def readable(value: Any) -> str:
    """A value of a field for people; digests and the like are cut."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    text = str(value)
    return f"{text[:19]}…" if len(text) > _LONG and " " not in text else text


def summary(old: Mapping[str, Any], new: Mapping[str, Any], found: Iterable[Difference]) -> str:
    """What is to be expected of the numbers, in one line."""
    severities = {difference.severity for difference in found}
    if "tolerance" in severities:
        return "numbers may differ beyond the tolerance: `mlimage probe --against` measures it"
    if old["numeric_class"] != new["numeric_class"]:
        return "another numeric class: last bits differ, within the tolerance"
    if "bitwise" in severities:
        return "one numeric class, and yet last bits may differ"
    return "one numeric class and equal software: equal bits are to be expected"


def _explained(field: str, old: Any, new: Any, *, same_class: bool) -> Difference:
    rule = next(rule for rule in RULES if fnmatchcase(field, rule.field))
    return Difference(
        field=field,
        old=old,
        new=new,
        severity=rule.severity or ("cosmetic" if same_class else "bitwise"),
        cause=CAUSES[rule.cause] if rule.cause else None,
        why=rule.why,
    )


def _fields(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf by its path; libraries by kind and owner, whatever their order."""
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if path in _DERIVED:
            continue
        if path == "native":
            for library in inner:
                name = f"native.{library['kind']}.{library['owner']}"
                yield from _fields(
                    {name: value for name, value in library.items() if name not in {"kind", "owner"}},
                    f"{name}.",
                )
        elif isinstance(inner, Mapping):
            yield from _fields(inner, f"{path}.")
        else:
            yield path, inner
