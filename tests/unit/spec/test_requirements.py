"""Requirements files as pip reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from mlimage.spec.requirements import check_requirement, exact_version, logical_lines, option_of


@pytest.mark.parametrize(
    "text",
    [
        "numpy",
        "numpy>=2,<3",
        "uvicorn[standard]==0.30.1",
        "a.b_c~=1.0; python_version >= '3.9'",
        "torch==2.1+cpu",
        "python-dateutil===2.9.0.post0",
    ],
)
def test_good(text: str) -> None:
    assert check_requirement(text) is None


def test_arbitrary_equality_needs_a_version_for_wheels_have_no_other() -> None:
    refusal = check_requirement("python-dateutil >2, ===foo")
    assert refusal is not None
    assert refusal.message == "`foo` is not a version, so no wheel has it"
    assert refusal.hint == "pin a version, as `python-dateutil==1.2.3`"
    assert refusal.offset == 20


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("a==1.0", "1.0"),
        ("a===1.0", "1.0"),
        ("a>=0.9,==1!1.0+cpu", "1!1.0+cpu"),
        ("a==1.*", None),
        ("a===foo", None),
        ("a~=1.0", None),
        ("a", None),
    ],
)
def test_exact_version(text: str, version: str | None) -> None:
    assert exact_version(Requirement(text)) == (version and Version(version))


def test_passwords_are_not_repeated() -> None:
    refusal = check_requirement("torch @ https://user:hunter2@example.com/torch.whl")
    assert refusal is not None
    assert "hunter2" not in refusal.message + refusal.hint


@given(st.text())
def test_any_text_is_judged_as_packaging_does_or_stricter(text: str) -> None:
    if check_requirement(text) is None:
        assert Requirement(text).url is None


@given(st.text(alphabet=st.sampled_from("a #\\\n\r-=")))
def test_places_are_those_of_the_text(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in logical_lines(text):
        number, column = line.place()
        assert lines[number - 1][column - 1 : column] == line.text[0]


def test_joined_lines() -> None:
    text = "numpy \\\n  --hash=x # c\n# comment \\\na\\\n\n  b#c\n\\\n\\\n  d"
    assert [(line.text, line.place()) for line in logical_lines(text)] == [
        ("numpy   --hash=x", (1, 1)),
        ("a", (4, 1)),
        ("b#c", (6, 3)),
        ("d", (9, 3)),
    ]


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("-r a.txt", ("-r", "a.txt")),
        ("-ra.txt", ("-r", "a.txt")),
        ("--requirement=a b.txt", ("--requirement", "a b.txt")),
        ("--pre", ("--pre", "")),
        ("-", ("-", "")),
        ("numpy", None),
    ],
)
def test_options(text: str, option: tuple[str, str] | None) -> None:
    assert option_of(text) == option
