"""Whether somebody keeps the machine's clock right, as the kernel knows it (adjtimex(2)): any NTP client tells it."""

from __future__ import annotations

import ctypes
import os

_UNSYNCHRONISED = 0x40
"""STA_UNSYNC of <sys/timex.h>."""
_OCTETS = 208


class _Timex(ctypes.Structure):
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * _OCTETS),
    ]


def kept_right() -> bool | None:
    """None: the kernel does not say."""
    if os.name != "posix":
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = _Timex()
    if adjtimex(ctypes.byref(state)) < 0:
        return None
    return not state.status & _UNSYNCHRONISED
