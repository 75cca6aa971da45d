"""RETURN options of SEARCH, and windows of results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.sequence import SAVED
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.message_sets import read_message_set
from xtramail.wire.imap.search_returns import SearchReturn, SearchReturns, read_partial_range, read_search_returns

ALL_OF_IT = frozenset({"ESEARCH", "SEARCHRES", "PARTIAL"})


@settings(derandomize=True, deadline=None, max_examples=200)
@given(count=st.integers(0, 12), first=st.integers(1, 15), last=st.integers(1, 15), from_end=st.booleans())
def test_a_window_is_what_counting_by_hand_gives(count: int, first: int, last: int, from_end: bool) -> None:
    sign = "-" if from_end else ""
    window = read_partial_range(Cursor(f"{sign}{first}:{sign}{last}".encode()))
    found = list(range(100, 100 + count))
    counted = list(enumerate(reversed(found), 1)) if from_end else list(enumerate(found, 1))
    wanted = {value for place, value in counted if min(first, last) <= place <= max(first, last)}
    assert list(window.of(found)) == sorted(wanted)


def test_options_are_read_up_to_the_keys() -> None:
    cursor = Cursor(b"RETURN (MIN save) ALL")
    assert read_search_returns(cursor, ALL_OF_IT) == SearchReturns(frozenset({SearchReturn.MIN, SearchReturn.SAVE}))
    assert cursor.octets[cursor.at :] == b"ALL"
    assert read_search_returns(Cursor(b"RETURN () ALL"), ALL_OF_IT) == SearchReturns(frozenset({SearchReturn.ALL}))
    assert read_search_returns(Cursor(b"ALL"), ALL_OF_IT) is None
    assert read_search_returns(Cursor(b"RETURN (MIN) ALL"), frozenset()) is None


@pytest.mark.parametrize("text", [b"RETURN (SAVE) 1", b"RETURN (PARTIAL 1:2) 1"])
def test_an_option_that_is_not_offered_is_bad(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_search_returns(Cursor(text), frozenset({"ESEARCH"}))


def test_the_saved_result_is_named_where_it_is_offered() -> None:
    assert read_message_set(Cursor(b"$"), 10, ALL_OF_IT) is SAVED
    with pytest.raises(BadSyntax):
        read_message_set(Cursor(b"$"), 10, frozenset())
