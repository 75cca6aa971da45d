"""Date-time of RFC 5322 §3.3 and its obsolete forms (§4.3), read leniently and written strictly.

Owns Date: and the dates of trace fields and reports. INTERNALDATE and search dates are ``wire/imap``'s.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NUMBER: Final = {name: number for number, name in enumerate(_MONTHS, start=1)}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# RFC 5322 §4.3: obs-zone; a zone of one letter or unknown is +0000.
_ZONES: Final = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
# date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone; senders also write 1-Jan-2026,
# 10.15.00 and leave the zone out.
_DATE_TIME = re.compile(
    r"(?:[A-Za-z]{3,9},? {0,4})?(\d{1,2})[ -]{1,4}([A-Za-z]{3})[a-z]{0,6}[ -]{1,4}(\d{2,4})[ ,]{1,4}"
    r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?(?:\.\d{1,9})? {0,4}(?:GMT|UTC)?([+-]\d{4}|[A-Za-z]{1,5})?"
)
# asctime: Mon Jan  5 10:00:00 2026
_ASCTIME = re.compile(
    r"[A-Za-z]{3},? {0,2}([A-Za-z]{3}) {1,2}(\d{1,2}) (\d{1,2}):(\d{2}):(\d{2}) (?:[A-Z]{3,4} )?(\d{4})"
)


def parse_date(text: str) -> float | None:
    """Seconds since 1970 of a Date: value, None when it is nonsense."""
    text = text[:200].strip().replace("\t", " ")
    match = _DATE_TIME.match(text)
    if match is not None:
        day, month, year, hour, minute, second, zone = match.groups()
    else:
        match = _ASCTIME.match(text)
        if match is None:
            return None
        month, day, hour, minute, second, year = match.groups()
        zone = None
    month_number = _MONTH_NUMBER.get(month.lower())
    if month_number is None:
        return None
    full_year = int(year)
    if len(year) == 2:
        full_year += 2000 if full_year < 50 else 1900
    elif len(year) == 3:
        full_year += 1900
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if hours > 24 or minutes > 59 or seconds > 60:
        return None
    try:
        days = date(full_year, month_number, int(day)).toordinal() - 719163
    except ValueError:
        return None
    return float(days * 86400 + hours * 3600 + minutes * 60 + seconds - _zone_seconds(zone))


def _zone_seconds(zone: str | None) -> int:
    if not zone:
        return 0
    if zone[0] in "+-":
        offset = int(zone[1:3]) * 3600 + int(zone[3:5]) * 60
        return -offset if zone[0] == "-" else offset
    return _ZONES.get(zone.lower(), 0) * 3600


def format_date(seconds: float, *, offset_minutes: int = 0) -> str:
    """``Thu, 05 Nov 2026 10:00:00 +0000``: RFC 5322 §3.3, English in every locale."""
    zone = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    moment = datetime.fromtimestamp(seconds, tz=zone)
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    month = _MONTHS[moment.month - 1].capitalize()
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {month} {moment.year:04d} "
        f"{moment:%H:%M:%S} {sign}{hours:02d}{minutes:02d}"
    )
