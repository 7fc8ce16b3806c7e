"""Bytes that the CPU and the CUDA image of one spec take together. Fetches gigabytes, and keeps nothing."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.measure import MLIMAGE, own, timed
from support.machine import ROOT

TITLES: Final = {"build": "both, cold, all fetched"}
_IMAGE: Final = "digits-pytorch"


def measure() -> dict[str, Any]:
    """Bytes of the store, packed as they lie there, and of what stands in the images' manifests."""
    with tempfile.TemporaryDirectory(prefix="mlimage-bench-") as scratch:
        run = timed(
            [MLIMAGE, "build", "--no-check", _IMAGE, "--json"], env={"MLIMAGE_CACHE": scratch}, cwd=ROOT
        )
        store = sum(path.stat().st_size for path in (Path(scratch) / "store" / "blobs").rglob("*"))
    built = {image["name"].partition(":")[2]: image for image in json.loads(run.stdout)}
    layers = {
        variant: {layer["digest"]: layer["size"] for layer in image["layers"]}
        for variant, image in built.items()
    }
    own_layers = {digest: size for digest, size in layers["cpu"].items() if digest not in layers["cuda"]}
    cuda, cpu_only = sum(layers["cuda"].values()), sum(own_layers.values())
    return {
        "build": own([run]),
        "both_bytes": store,
        "cuda_bytes": cuda,
        "cpu_bytes": sum(layers["cpu"].values()),
        "cpu_only_bytes": cpu_only,
        "ratio": round((store - cuda) / cpu_only, 4),
    }


def remarks(result: Mapping[str, Any]) -> Sequence[str]:
    """What the table does not say."""
    return (
        f"bytes of the CUDA image: {result['cuda_bytes']:,}; of both on the disk: {result['both_bytes']:,}",
        f"bytes of the CPU image: {result['cpu_bytes']:,}; in it alone: {result['cpu_only_bytes']:,}",
        f"so what is in the CPU image alone counts {result['ratio']:.3f} times",
    )
