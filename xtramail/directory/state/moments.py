"""Times in documents: UTC, ISO 8601, to the second."""

from __future__ import annotations

import calendar
import re
import time

from xtramail.model.errors import BadInput

_FORM = re.compile(r"[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z", re.ASCII)


def moment_text(seconds: float) -> str:
    """``2026-11-21T19:00:00Z``; empty for 0."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds))) if seconds > 0 else ""


def read_moment(text: str) -> float:
    """Seconds since 1970; 0 for an empty text; BadInput."""
    if not text:
        return 0.0
    try:
        if _FORM.fullmatch(text) is None:
            raise ValueError
        parsed = time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise BadInput(f"{text!r}: write a time in UTC, such as 2026-12-31T12:00:00Z") from None
    seconds = float(calendar.timegm(parsed))
    if seconds < 0:
        raise BadInput(f"{text!r}: a time since 1970")
    return seconds


def kept_moment(text: str, standing: float) -> float:
    """As :func:`read_moment`; a time that a store has to more than the second stays where it is the same."""
    return standing if moment_text(standing) == text else read_moment(text)
