"""i;unicode-casemap (RFC 5051)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.collation import casemap, searchfold, searchfold_octets


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


_ALONE = "".join(map(chr, (*range(0x80, 0x300), *range(0x2000, 0x2070), 0x20AC)))
"""Letters that ``searchfold_octets`` folds one by one."""


def _at_length(text: str) -> bytes:
    return searchfold(text).encode("utf-8", "replace")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(st.sampled_from(_ALONE + "aAiIzZ \n\u0301\u0345\u03a3\u212a\uac00\u1161\ud800"), max_size=12))
def test_octets_are_those_of_the_folded_text(text: str) -> None:
    # Beside much that is ASCII, as in a message, and alone.
    assert searchfold_octets(text) == _at_length(text)
    assert searchfold_octets("Words of A Message " * 5 + text) == _at_length("Words of A Message " * 5 + text)


def test_no_letter_that_is_folded_alone_looks_at_its_neighbour() -> None:
    letters = [*_ALONE, *map(chr, range(128))]
    alone = {letter: searchfold(letter) for letter in letters}
    assert all(searchfold(one + two) == alone[one] + alone[two] for one in letters for two in letters)
    # And none becomes what another one is replaced by.
    assert all(searchfold(letter) == letter for fold in alone.values() for letter in fold)
