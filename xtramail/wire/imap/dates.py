"""Dates of the IMAP grammar: ``date-time`` of APPEND and ``date`` of SEARCH (RFC 3501 §9).

Owns parsing; ``responses.internal_date`` writes them.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from xtramail.wire.imap.faults import BadSyntax

# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
# A lone digit without its leading space is accepted: several clients send it.
_DATE_TIME = re.compile(
    rb" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
# date-text = date-day "-" date-month "-" date-year
_DATE = re.compile(rb" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC"), start=1
    )
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The last second that date-year = 4DIGIT can name: a zone must not push a moment past what can be told again.
_LAST = 253_402_300_799


def parse_date_time(text: bytes) -> int:
    """``17-Jul-1996 02:44:25 +0200`` (quotes gone) to seconds since 1970; BadSyntax when it is no date.

    A moment before 1970 counts as the first second, one after the year 9999 as the last.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise BadSyntax("Date-time is malformed; write it as 17-Jul-1996 02:44:25 +0000")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    try:
        # A leap second counts as the second before it.
        moment = datetime(
            int(year), _MONTHS[month.upper()], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC
        )
    except (KeyError, ValueError):
        raise BadSyntax("No such date") from None
    if int(second) > 60 or int(zone_minutes) > 59 or int(zone_hours) > 23:
        raise BadSyntax("No such time or zone")
    offset = int(zone_hours) * 3600 + int(zone_minutes) * 60
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return min(max(seconds - offset if sign == b"+" else seconds + offset, 0), _LAST)


def parse_date(text: bytes) -> date:
    """``1-Feb-1994`` (quotes gone); BadSyntax when it is no date."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise BadSyntax("Date is malformed; write it as 1-Feb-1994")
    day, month, year = match.groups()
    try:
        return date(int(year), _MONTHS[month.upper()], int(day))
    except (KeyError, ValueError):
        raise BadSyntax("No such date") from None
