"""Sizes as people write them."""

from __future__ import annotations

UNITS = {
    "TiB": 1 << 40,
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "KB": 10**3,
    "B": 1,
    "": 1,
}
MOST = 1 << 50


def parse_size(text: str) -> int:
    """Octets of ``50MiB``, ``1TiB``, ``20MB`` or a plain number; ValueError with the rule."""
    text = text.strip()
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    unit = UNITS.get(text[len(digits) :].strip())
    if unit is None or not digits or len(digits) > 16:
        raise ValueError('must be a size such as "50MiB", "2GiB" or a number of octets')
    octets = int(digits) * unit
    if octets > MOST:
        raise ValueError("must be at most 1024TiB")
    return octets
