"""Senders of forwarded mail, rewritten into addresses of ours, so that SPF of the next host finds our domain (SRS).

Pure: the scheme of Shevek, "The Sender Rewriting Scheme" (2004). ``SRS0=mark=day=domain=local`` holds a sender, ``SRS1=
mark=host==...`` one that another host has rewritten before: its reports go back there. The marks are of a key that is
kept outside the store, so nobody has mail sent on by guessing; a day is good for 21. A sender that makes the local part
longer than 64 octets is kept in the store (``rewriting``) under ``SRSX=day=mark``. Letters compare without case: hosts
on the way change it.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode
from dataclasses import dataclass

from xtramail.directory.keyring import Keyring
from xtramail.model.address import Address
from xtramail.model.errors import BadInput

DAYS = 21
"""A report may come so long after the message was taken; longer than any queue waits, ours and the next one's."""
MOST_OCTETS = 64
"""Of a local part (RFC 5321 §4.5.3.1.1)."""
_SEPARATORS = "=+-"
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_CYCLE = len(_DIGITS) ** 2
_MARK = 8
_LONG_MARK = 20
_HELD = "SRSX="
_AGAIN = "again "
"""Before what an SRS1 is marked for: the mark of an SRS0 makes none, nor the other way round."""


@dataclass(frozen=True, slots=True)
class Held:
    """A sender that is kept in the store: by the day of its message, under its mark."""

    day: int
    mark: bytes


def is_rewritten(local: str) -> bool:
    """Whether a local part has the form of a rewritten one, by whomever."""
    return local[:4].lower() in ("srs0", "srs1", "srsx") and local[4:5] in _SEPARATORS and len(local) > 5


class Srs:
    def __init__(self, keyring: Keyring) -> None:
        """The newest key makes marks, all of them are known again."""
        self._keys = [hmac.digest(key, b"rewritten senders", hashlib.sha256) for key in keyring.keys.values()]
        self._current = hmac.digest(keyring.keys[keyring.current], b"rewritten senders", hashlib.sha256)

    def rewritten(self, sender: Address, day: int) -> str | None:
        """The local part that stands for ``sender``; None when it does not fit. ``day`` as ``clock.day_of``."""
        local, host = sender.local, sender.domain_key
        kind, separator, rest = local[:4].lower(), local[4:5], local[5:]
        if kind == "srs0" and is_rewritten(local):
            text = f"{host}={separator}{rest}"
            return _fitting(f"SRS1={self._mark(_AGAIN + text)}={text}")
        if kind == "srs1" and is_rewritten(local) and rest.count("=") >= 2:
            text = rest.partition("=")[2]
            return _fitting(f"SRS1={self._mark(_AGAIN + text)}={text}")
        text = f"{_day_text(day)}={host}={local}"
        return _fitting(f"SRS0={self._mark(text)}={text}")

    def held(self, sender: Address, day: int) -> tuple[str, Held]:
        """The local part for one that does not fit, and where it is to be kept."""
        mark = _short(self._current, str(sender), _LONG_MARK)
        return f"{_HELD}{_day_text(day)}={mark}", Held(day=day, mark=mark.encode())

    def sender(self, local: str, day: int) -> Address | Held | None:
        """Whom a rewritten local part stands for on ``day``; None when it is forged or too old.

        What is :class:`Held` is good when :meth:`belongs` says so of what is kept there.
        """
        kind, rest = local[:4].lower(), local[5:]
        match kind:
            case "srs0":
                mark, _, text = rest.partition("=")
                day_text, _, who = text.partition("=")
                host, _, name = who.partition("=")
                if self._knows(mark, text) and _day_of(day_text, day) is not None:
                    return _address(name, host)
            case "srs1":
                mark, _, text = rest.partition("=")
                host, _, name = text.partition("=")
                if self._knows(mark, _AGAIN + text):
                    # What follows the host begins with the separator that was there.
                    return _address(f"SRS0{name}", host)
            case "srsx":
                day_text, _, long_mark = rest.partition("=")
                found = _day_of(day_text, day)
                if found is not None and len(long_mark) == _LONG_MARK and long_mark.isascii():
                    return Held(day=found, mark=long_mark.lower().encode())
        return None

    def belongs(self, mark: bytes, sender: str) -> bool:
        """Whether ``sender`` was kept under ``mark`` by us."""
        return any(hmac.compare_digest(mark, _short(key, sender, _LONG_MARK).encode()) for key in self._keys)

    def _mark(self, text: str) -> str:
        return _short(self._current, text, _MARK)

    def _knows(self, mark: str, text: str) -> bool:
        given = mark.lower().encode("utf-8", "replace")
        return any(hmac.compare_digest(given, _short(key, text, _MARK).encode()) for key in self._keys)


def _short(key: bytes, text: str, characters: int) -> str:
    digest = hmac.digest(key, text.casefold().encode("utf-8", "surrogatepass"), hashlib.sha256)
    return b32encode(digest)[:characters].decode("ascii").lower()


def _fitting(local: str) -> str | None:
    """None as well for what would need quotes, or looks like a route to hosts that know them."""
    plain = str(Address(local=local, domain="x")) == f"{local}@x" and not any(mark in local for mark in "%!@")
    return local if plain and len(local.encode("utf-8", "surrogatepass")) <= MOST_OCTETS else None


def _address(local: str, host: str) -> Address | None:
    try:
        found = Address(local=local, domain=host)
        return found if local and found.domain_key else None
    except BadInput:
        return None


def _day_text(day: int) -> str:
    high, low = divmod(day % _CYCLE, len(_DIGITS))
    return _DIGITS[high] + _DIGITS[low]


def _day_of(text: str, day: int) -> int | None:
    """The day within the last 21 that ``text`` names; one ahead is a clock that was put back. None: another."""
    folded = text.lower()
    if len(folded) != 2 or not set(folded) <= set(_DIGITS):
        return None
    age = (day - (_DIGITS.index(folded[0]) * len(_DIGITS) + _DIGITS.index(folded[1]))) % _CYCLE
    if age == _CYCLE - 1:
        return day + 1
    return day - age if age <= DAYS else None
