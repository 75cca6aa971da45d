"""i;unicode-casemap (RFC 5051)."""

from __future__ import annotations

import pytest

from xtramail.model.collation import casemap, searchfold


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("ПРИВЕТ", "привет"),
        ("\uff21\uff22\uff11", "ab1"),
        ("Mu\u0308nchen", "MÜNCHEN"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_what_is_sought_and_where_take_one_form(one: str, other: str) -> None:
    assert searchfold(one) == searchfold(other)
