"""Times as people write them: ``300ms``, ``30s``, ``5m``, ``12h``, ``14d``. Seconds inside."""

from __future__ import annotations

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 3650 * 86400


def parse_duration(value: object) -> float:
    """Seconds; at most ten years. ValueError with the rule and examples."""
    text = value.strip() if isinstance(value, str) else ""
    digits = text.rstrip("smhd")
    unit = _UNITS.get(text[len(digits) :])
    if unit is None or not (digits.isascii() and digits.isdigit()) or len(digits) > 10:
        raise ValueError('must be a time such as "300ms", "30s", "5m", "12h" or "14d"')
    seconds = int(digits) * unit
    if seconds > _LONGEST:
        raise ValueError("must be at most ten years")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest exact way to write it."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{round(seconds * 1000)}ms"
