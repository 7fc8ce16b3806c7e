"""Bad specs in, whole error texts out: a folder `spec/cases/NAME` for each trap."""

from collections.abc import Callable

import pytest

from mlimage.errors import SpecError
from mlimage.spec.load import load_spec
from mlimage.spec.reference import reference
from mlimage.spec.schema import REFERENCE_FILE, SCHEMA_FILE, json_schema, schema_text
from support.golden import GOLDEN
from support.machine import ROOT

CASES = GOLDEN / "spec" / "cases"


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_bad_spec(case: str, golden: Callable[[str, bytes | str], None]) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(CASES / case / "x", shown="images/x")
    assert "hunter2" not in str(caught.value)
    golden(f"spec/cases/{case}/expected.txt", f"{caught.value}\n")


def test_the_committed_schema_is_the_models() -> None:
    assert (ROOT / "docs" / SCHEMA_FILE).read_text() == schema_text(), "make generate"


def test_the_committed_reference_is_the_schemas() -> None:
    assert (ROOT / "docs" / REFERENCE_FILE).read_text() == reference(json_schema()), "make generate"
