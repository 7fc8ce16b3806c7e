"""Tags of images and of locks, and that no two images can have one."""

import re

import pytest

from mlimage.errors import SpecError
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.tags import ImageTag, image_tags, lock_tags

SPEC = """\
name: churn
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
serve: {command: python serve.py}
variants: {cpu: {}, cuda: {}}
"""
BOTH = "platforms: [linux/amd64, linux/arm64]\n"


def parsed(text: str) -> ImageSpec:
    return parse_spec(text.encode(), path="images/churn/mlimage.yaml", folder="churn")


def problems(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parsed(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (ImageTag(variant="cpu"), "cpu"),
        (ImageTag(variant="cpu", role="train"), "cpu-train"),
        (ImageTag(variant="cuda12", platform=LINUX_ARM64), "cuda12-arm64"),
        (ImageTag(variant="cpu", role="serve", platform=LINUX_ARM64), "cpu-serve-arm64"),
    ],
)
def test_a_tag_as_text(tag: ImageTag, text: str) -> None:
    assert str(tag) == text
    assert tag.of_lock == ImageTag(variant=tag.variant, platform=tag.platform)


def test_locks_are_made_for_an_accelerator_first_and_a_platform_after_the_other() -> None:
    assert list(map(str, lock_tags(parsed(SPEC)))) == ["cuda", "cpu"]
    assert list(map(str, lock_tags(parsed(SPEC + BOTH)))) == ["cuda", "cpu", "cuda-arm64", "cpu-arm64"]


def test_images_are_listed_as_the_spec_lists_variants() -> None:
    assert list(map(str, image_tags(parsed(SPEC)))) == ["cpu", "cuda"]
    assert list(map(str, image_tags(parsed(SPEC + "split: true\n")))) == [
        "cpu-train",
        "cpu-serve",
        "cuda-train",
        "cuda-serve",
    ]
    assert list(map(str, image_tags(parsed(SPEC + BOTH)))) == ["cpu", "cpu-arm64", "cuda", "cuda-arm64"]


def test_one_platform_alone_may_be_another() -> None:
    tags = lock_tags(parsed(SPEC + "platforms: [linux/arm64]\n"))
    assert {tag.platform for tag in tags} == {LINUX_ARM64}
    assert {tag.platform for tag in lock_tags(parsed(SPEC))} == {LINUX_AMD64}


@pytest.mark.parametrize("name", ["gpu-train", "gpu-serve", "gpu-arm64", "gpu-amd64", "base-arm64"])
def test_no_variant_is_called_as_a_tag_ends(name: str) -> None:
    end = re.search(r"-[a-z0-9]+\Z", name)
    assert end is not None
    assert problems(SPEC.replace("cuda: {}", f"{name}: {{}}")) == (
        f"images/churn/mlimage.yaml:6:21: variants.{name}: `{name}` cannot be the name of a variant: "
        f"tags end in `{end[0]}` for another reason\n"
        f"  hint: choose another name, as `{name.removesuffix(end[0])}`"
    )


def test_platforms_that_cannot_be() -> None:
    text = SPEC + "platforms: [linux/arm64, linux/amd46, windows/amd64, linux/arm64]\n"
    with pytest.raises(SpecError) as caught:
        parsed(text)
    assert [(str(problem).partition(": ")[2], problem.hint) for problem in caught.value.problems] == [
        (
            "platforms: unknown platform `linux/amd46`",
            "did you mean `linux/amd64`?",
        ),
        ("platforms: unknown platform `windows/amd64`", "did you mean `linux/amd64`?"),
        ("platforms: `linux/arm64` stands twice", "remove one of them"),
    ]
    assert "platforms" in problems(SPEC + "platforms: []\n")


def test_there_must_be_two_roles_to_split() -> None:
    text = SPEC.replace("serve: {command: python serve.py}\n", "") + "split: true\n"
    assert (
        problems(text)
        == "images/churn/mlimage.yaml:6:8: split: there is no `serve` to split from\n  hint: remove `split`"
    )
