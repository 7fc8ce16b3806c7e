"""What `mlimage.yaml` says of an image's numbers, of what may leave the machine, of audits and conflicts."""

from typing import Literal

from pydantic import Field

from mlimage.spec.fields import PackageName, Pattern
from mlimage.spec.part import Part
from mlimage.spec.waivers import AdvisoryId, Day, Reason


class Determinism(Part):
    """How far the numbers of two runs must agree."""

    profile: Literal["fast", "strict"] = Field(
        default="fast",
        description="`strict` pins every code path that libraries choose by the processor, and asks them "
        "for deterministic algorithms; `fast` leaves them their speed.",
        examples=["strict"],
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        description="Seed that the roles get for random numbers.",
        examples=[42],
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Threads that `strict` computes with, on every machine: another number gives other "
        "numbers. `fast` takes what the machine has.",
        examples=[4],
    )
    cross_vendor: bool = Field(
        default=True,
        description="Whether `strict` holds across processors of different vendors; without it matrix "
        "products are up to twice as fast.",
        examples=[False],
    )
    tf32: bool = Field(
        default=False,
        description="Whether GPUs may round the inputs of matrix products to ten bits (TF32).",
        examples=[True],
    )


class Push(Part):
    """What leaves the machine."""

    allow_secrets: tuple[Pattern, ...] = Field(
        default=(),
        description="Files of the image in which `mlimage push` takes what looks like a secret for none: "
        "paths or patterns as in a `.dockerignore`, from the image's root; or names of variables. The image "
        "does not depend on it.",
        examples=[["/app/tests/fixtures", "/app/**/*.pem"]],
    )


class Ignored(Part):
    """A known vulnerability that does not count."""

    id: AdvisoryId = Field(
        description="Any of its names: that of CVE, of GitHub, of PyPI.", examples=["CVE-2026-12345"]
    )
    reason: Reason = Field(
        description="Why it does not matter here, for who reads this later.",
        examples=["we load no archives of others"],
    )
    until: Day | None = Field(
        default=None,
        description="The last day on which it does not count, in quotes.",
        examples=["2027-03-31"],
    )


class Audit(Part):
    """What `mlimage audit` does with what it finds."""

    ignore: tuple[Ignored, ...] = Field(
        default=(),
        description="Known vulnerabilities that do not count. The image does not depend on it.",
        examples=[[{"id": "CVE-2026-12345", "reason": "we load no archives of others"}]],
    )


class NotImported(Part):
    """A dependency that is not imported when an image is checked."""

    package: PackageName = Field(description="Name of the package.", examples=["pyautogui"])
    reason: Reason = Field(
        description="Why it cannot be imported where images are built, for who reads this later.",
        examples=["needs a display"],
    )


class Check(Part):
    """What `mlimage build` looks at when an image is built."""

    ignore: tuple[NotImported, ...] = Field(
        default=(),
        description="Dependencies that are not imported then, because they need hardware, a display or a "
        "network. The image does not depend on it.",
        examples=[[{"package": "pyautogui", "reason": "needs a display"}]],
    )


class AllowedConflict(Part):
    """A conflict of packages that does not count."""

    packages: tuple[PackageName, ...] = Field(
        description="The packages that conflict.",
        examples=[["opencv-python", "opencv-python-headless"]],
        json_schema_extra={"minItems": 2},
    )
    keep: PackageName | None = Field(
        default=None,
        description="The one whose files stay where several packages write the same path. The others lose "
        "theirs. A conflict of shared libraries needs no `keep`: both stay.",
        examples=["opencv-python"],
    )
    paths: tuple[Pattern, ...] = Field(
        default=(),
        description="Paths or patterns as in a `.dockerignore`, from the image's root, of the files that "
        "this is about. Without this key it is about all files that the packages share.",
        examples=[["/opt/venv/lib/python3.11/site-packages/cv2"]],
    )
    reason: Reason = Field(
        description="Why it does not matter here, for who reads this later.",
        examples=["both are the same OpenCV; ultralytics and albumentations each want one"],
    )
