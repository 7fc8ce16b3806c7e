"""What wheels say of their licences, as they do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.lock.licenses import license_of


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["License-Expression: BSD-3-Clause AND MIT", "License: x"], "BSD-3-Clause AND MIT"),
        (["License: Apache 2.0", "Classifier: License :: OSI Approved :: BSD License"], "Apache 2.0"),
        (["License: UNKNOWN", "Classifier: License :: OSI Approved :: BSD License"], "BSD License"),
        (
            ["License: Copyright (c) 2001", "        All rights reserved", "Classifier: License :: Freeware"],
            "Freeware",
        ),
        ([f"License: {'x' * 101}"], ""),
        (
            [
                "Classifier: License :: OSI Approved",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: Apache Software License",
                "Classifier: Programming Language :: Python",
            ],
            "Apache Software License, MIT License",
        ),
    ],
    ids=["nothing", "expression", "name", "classifier", "text", "long", "classifiers"],
)
def test_in_one_line(lines: list[str], expected: str) -> None:
    assert license_of("\n".join(["Name: x", *lines, "", "License: body"]).encode()) == expected


@given(st.binary())
def test_whatever_it_says(text: bytes) -> None:
    found = license_of(b"License: " + text)
    assert len(found) <= 100
    assert found.isprintable()
