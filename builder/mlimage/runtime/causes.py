"""The catalogue: why numbers differ between two machines, in plain words, and what to do about each."""

from __future__ import annotations

from typing import NamedTuple

_STRICT = "`determinism: {profile: strict}` pins it"
_SAME_IMAGE = "use one image, by its digest, on both machines"
_NONE = "nothing to do: it is expected, and within the tolerance"


class Cause(NamedTuple):
    """One cause of differences: its number in the catalogue, what it is, and what to do."""

    id: str
    title: str
    fix: str


CAUSES = {
    cause.id: cause
    for cause in (
        Cause("A1", "other versions of the packages", _SAME_IMAGE),
        Cause("A4", "another numeric library, or another version of it", _SAME_IMAGE),
        Cause(
            "A5",
            "a numeric library that computes wrong on this CPU",
            f"{_STRICT} to kernels that are well tested",
        ),
        Cause(
            "A6",
            "libm took other instructions (FMA), or is of another libc",
            "use a CPU with FMA, and one image",
        ),
        Cause("A7", "code that is compiled on the CPU where it runs (XLA, inductor, numba)", _NONE),
        Cause(
            "B1",
            "NumPy took other vector instructions (SIMD) of the CPU",
            f"{_STRICT} (NPY_DISABLE_CPU_FEATURES)",
        ),
        Cause(
            "B2",
            "equal numbers were sorted in another order",
            '`kind="stable"` in every sort that orders indices',
        ),
        Cause("B3", "OpenBLAS took the kernel of another CPU", f"{_STRICT} (OPENBLAS_CORETYPE)"),
        Cause("B4", "MKL took the code path of another CPU or vendor", f"{_STRICT} (MKL_CBWR)"),
        Cause(
            "B5",
            "PyTorch's own kernels (ATen) took other vector instructions",
            f"{_STRICT} (ATEN_CPU_CAPABILITY)",
        ),
        Cause("B6", "oneDNN took other vector instructions of the CPU", f"{_STRICT} (ONEDNN_MAX_CPU_ISA)"),
        Cause("B7", "ONNX Runtime took other vector instructions; it has no switch for them", _NONE),
        Cause(
            "B8",
            "TensorFlow took other vector instructions or oneDNN",
            f"{_STRICT} as far as TensorFlow lets it",
        ),
        Cause("B9", "another architecture: bits cannot be equal across them", _NONE),
        Cause(
            "B10",
            "an emulated CPU, which may be silently wrong",
            "run it on a real CPU of the image's platform",
        ),
        Cause(
            "B11", "another number of threads, so sums in another order", f"{_STRICT}; or set OMP_NUM_THREADS"
        ),
        Cause(
            "B13",
            "the smallest numbers are flushed to zero (FTZ, DAZ)",
            "do not call torch.set_flush_denormal(True)",
        ),
        Cause("C2", "cuDNN or cuBLAS may choose another algorithm", f"{_STRICT} (CUBLAS_WORKSPACE_CONFIG)"),
        Cause(
            "C4",
            "TensorFloat-32: products of 10 bits in place of 24",
            f"{_STRICT}; or NVIDIA_TF32_OVERRIDE=0",
        ),
        Cause("C5", "sums of half precision kept in half precision", _STRICT),
        Cause("C7", "another GPU, driver or CUDA", _NONE),
        Cause("C8", "GPUs added up in another order", f"{_STRICT} (NCCL_ALGO, NCCL_PROTO)"),
        Cause(
            "C10",
            "a GPU, or a library on it, that fails or computes wrong",
            "update the driver; `nvidia-smi -q -d ECC,ROW_REMAPPER` shows errors of its memory",
        ),
        Cause(
            "D3",
            "another order of sets (PYTHONHASHSEED)",
            "set `determinism: {seed: …}`, or sort what comes from a set",
        ),
        Cause("D5", "another stream of random numbers", _SAME_IMAGE),
        Cause(
            "E8",
            "another limit of processors or memory",
            "give both the same `--cpus`, or `--cpuset-cpus`, and memory",
        ),
        Cause(
            "FAULT",
            "a fault: this is no rounding",
            "do not use this machine for it; update its emulator or firmware",
        ),
        Cause(
            "?",
            "a cause that is not in the catalogue",
            "`mlimage fingerprint --against` may show what differs",
        ),
    )
}
"""By id. What the letters mean: A software, B the CPU's code paths, C the GPU, D randomness, E resources."""
