"""Message ids: 64 bits, ascending with time, one from SMTP to relay and give-back.

52 bits of microseconds since 2020 (good until 2162) and 12 random bits, so that a second process that makes ids at the
same time does not meet ours. Shown as 13 lower-case characters of base32hex, which sort as the numbers do.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import NewType

from xtramail.model.clock import EPOCH_SECONDS, Clock

MessageId = NewType("MessageId", int)

_DIGITS = "0123456789abcdefghijklmnopqrstuv"


class IdSource:
    """Gives ids, each greater than the last; clock steps back do not make it repeat itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> MessageId:
        micros = int((self._clock.now() - EPOCH_SECONDS) * 1_000_000)
        fresh = (max(micros, 0) << 12 | secrets.randbits(12)) & 0x7FFF_FFFF_FFFF_FFFF
        self._last = max(fresh, self._last + 1)
        return MessageId(self._last)


@lru_cache(maxsize=256)
def id_text(value: int) -> str:
    """13 characters of base32hex."""
    return "".join([_DIGITS[value >> shift & 31] for shift in range(60, -1, -5)])


def id_from_text(text: str) -> MessageId:
    """The reverse of :func:`id_text`; ValueError when it is not one."""
    if len(text) != 13:
        raise ValueError("a message id has 13 characters")
    value = 0
    for character in text.lower():
        digit = _DIGITS.find(character)
        if digit < 0:
            raise ValueError("a message id has only the characters 0-9 and a-v")
        value = value << 5 | digit
    if value >> 63:
        raise ValueError("no such message id")
    return MessageId(value)


def id_at(seconds: float) -> MessageId:
    """The lowest id that can be made at ``seconds`` since 1970."""
    micros = int((seconds - EPOCH_SECONDS) * 1_000_000)
    return MessageId(min(max(micros, 0) << 12, 0x7FFF_FFFF_FFFF_FFFF))


def id_seconds(value: int) -> float:
    """When the id was made, in seconds since 1970."""
    return (value >> 12) / 1_000_000 + EPOCH_SECONDS
