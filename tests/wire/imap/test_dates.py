from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.imap.dates import parse_date, parse_date_time
from xtramail.wire.imap.faults import BadSyntax
from xtramail.wire.imap.responses import internal_date, internal_dates


def _seconds(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"17-Jul-1996 02:44:25 -0700", _seconds(1996, 7, 17, 9, 44, 25)),
        (b" 1-jan-2020 00:00:00 +0000", _seconds(2020, 1, 1)),
        (b"1-JAN-2020 00:00:00 +0530", _seconds(2019, 12, 31, 18, 30)),
        (b"29-Feb-2024 23:59:60 +0000", _seconds(2024, 2, 29, 23, 59, 59)),
        (b"01-Jan-1970 00:00:00 +1400", 0),
        (b"01-Jan-0001 00:00:00 +0000", 0),
        (b"01-Jan-0001 00:00:00 +1400", 0),
        (b"31-Dec-9999 23:59:59 -1200", _seconds(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_a_date_time_is_read_with_its_zone(text: bytes, seconds: int) -> None:
    assert parse_date_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"17-Jul-1996",
        b"17-Jul-1996 02:44:25",
        b"17-Jul-1996 02:44:25 GMT",
        b"32-Jul-1996 02:44:25 +0000",
        b"30-Feb-1996 02:44:25 +0000",
        b"17-Foo-1996 02:44:25 +0000",
        b"17-Jul-0000 02:44:25 +0000",
        b"17-Jul-1996 25:44:25 +0000",
        b"17-Jul-1996 02:44:61 +0000",
        b"17-Jul-1996 02:44:25 +0060",
        b"17-Jul-1996 02:44:25 +2400",
        b"17-Jul-1996 02:44:25 +0000\n",
    ],
)
def test_what_is_no_date_time_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_date_time(text)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(min_value=0, max_value=253_402_300_799))
def test_an_internal_date_we_write_reads_as_the_same_second(seconds: int) -> None:
    text = internal_date(seconds)
    assert len(text) == 28
    assert parse_date_time(text[1:-1]) == seconds
    assert internal_dates([seconds, 0]) == [text, internal_date(0)]


def test_a_day_of_one_digit_has_a_space_before_it() -> None:
    assert internal_date(_seconds(2026, 11, 5, 7, 8, 9)) == b'" 5-Nov-2026 07:08:09 +0000"'


def test_search_dates_have_one_or_two_digits() -> None:
    assert parse_date(b"1-Feb-1994") == parse_date(b"01-FEB-1994") == date(1994, 2, 1)
    for text in (b"31-Feb-1994", b"1-Feb-94", b"1 Feb 1994", b"1-Feb-1994 ", b""):
        with pytest.raises(BadSyntax):
            parse_date(text)
