"""i;unicode-casemap (RFC 5051)."""

from __future__ import annotations

import pytest

from xtramail.model.collation import casemap


@pytest.mark.parametrize(
    ("one", "other"),
    [("abc", "ABC"), ("änderung", "ÄNDERUNG"), ("ǆ", "Ǆ"), ("привет", "ПРИВЕТ"), ("e\u0301", "É")],
)
def test_case_and_composition_make_no_difference(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)


def test_an_accent_orders_behind_its_letter() -> None:
    assert sorted(["Zoo", "zebra", "éclair", "Eclair", "apple"], key=casemap) == [
        "apple",
        "Eclair",
        "éclair",
        "zebra",
        "Zoo",
    ]


def test_sharp_s_has_no_simple_titlecase() -> None:
    assert casemap("ß") == "ß"
