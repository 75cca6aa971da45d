"""Date: fields of all ages, and none that breaks the reader."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime.dates import format_date, parse_date


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 05 Nov 2026 10:00:00 +0000", "Thu, 5 Nov 2026 10:00:00 +0100", "5 Nov 2026 10:00 -0730",
        "Thu, 05 Nov 2026 10:00:00 GMT", "Thu, 05 Nov 2026 10:00:00 EST", "Thu, 05 Nov 2026 10:00:00 +0530 (IST)",
        "Thu,  5 Nov 2026 10:00:00  +0000", "Thursday, 05 November 2026 10:00:00 +0000", "Thu, 5 Nov 26 10:00:00 UT",
        "Thu, 5 Nov 98 10:00:00 PDT", "05-Nov-2026 10:00:00 +0000", "Thu, 05 Nov 2026 23:59:60 +0000",
    ],
)  # fmt: skip
def test_dates_are_those_of_the_standard_library(text: str) -> None:
    parsed = email.utils.parsedate_tz(text)
    assert parsed is not None
    assert parse_date(text) == email.utils.mktime_tz(parsed)


@pytest.mark.parametrize(
    "text", ["Thu Nov  5 10:00:00 2026", "Thu, 05 Nov 2026 10.00.00", "Thu, 5 Nov 2026 10:00:00 XYZ"]
)
def test_odd_dates_count_as_utc(text: str) -> None:
    assert parse_date(text) == 1793872800.0


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "32 Nov 2026 10:00:00 +0000", "5 Foo 2026 10:00:00", "5 Nov 2026 25:00:00", "0 Nov 0000 1:1"],
)
def test_nonsense_is_none(text: str) -> None:
    assert parse_date(text) is None


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_what_is_written_is_read_back(seconds: int, offset: int) -> None:
    text = format_date(seconds, offset_minutes=offset)
    assert parse_date(text) == seconds
    parsed = email.utils.parsedate_tz(text)
    assert parsed is not None and email.utils.mktime_tz(parsed) == seconds


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    parse_date(text)


def test_the_written_form_is_that_of_rfc_5322() -> None:
    assert format_date(1793872800) == "Thu, 05 Nov 2026 10:00:00 +0000"
    assert format_date(1793872800, offset_minutes=-450) == "Thu, 05 Nov 2026 02:30:00 -0730"
