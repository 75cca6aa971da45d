"""Capabilities that are hidden from clients which choke on them, told by what they say of themselves (RFC 2971).

Owns how such a rule is written and which client it fits. Does not own what hiding means (``offers``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate

from xtramail.wire.imap.config import BASE_CAPABILITIES, KNOWN_EXTENSIONS

_FORM = "write it as name=Example*; version=1.*: IDLE, MOVE"
# IMAP4rev1 is what is left when everything else is hidden.
_KNOWN = frozenset(name.upper() for name in (*BASE_CAPABILITIES, *KNOWN_EXTENSIONS)) - {"IMAP4REV1"}


@dataclass(frozen=True, slots=True)
class ClientMask:
    """``fields``: (name in lower case, pattern with ``*`` and ``?``), all of which have to fit, without case."""

    fields: tuple[tuple[str, str], ...]
    hidden: frozenset[str]
    """Capabilities in capitals."""

    def fits(self, said: Iterable[tuple[str, str | None]]) -> bool:
        """``said``: what ID told, names in lower case."""
        told = {name: value or "" for name, value in said}
        return all(
            name in told and re.match(translate(pattern.lower()), told[name].lower()) is not None
            for name, pattern in self.fields
        )


def hidden_from(masks: Iterable[ClientMask], said: Iterable[tuple[str, str | None]]) -> frozenset[str]:
    """All that the masks which fit hide."""
    told = tuple(said)
    return frozenset().union(*(mask.hidden for mask in masks if mask.fits(told)))


def capability_names(text: str) -> frozenset[str]:
    """``IDLE, MOVE`` in capitals; unknown ones too: what was stored may be of another version."""
    return frozenset(name.strip().upper() for name in text.split(",")) - {""}


def read_capability_names(text: str) -> frozenset[str]:
    """The same from a person; ValueError for what cannot be hidden."""
    names = capability_names(text)
    unknown = sorted(names - _KNOWN)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no capability that can be hidden; CAPABILITY tells their names")
    return names


def read_client_mask(text: str) -> ClientMask:
    """``FIELD=PATTERN; FIELD=PATTERN: CAPABILITY, CAPABILITY``; ValueError says what is wrong with it."""
    conditions, colon, names = text.rpartition(":")
    try:
        hidden = read_capability_names(names)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; {_FORM}") from None
    if not colon or not hidden:
        raise ValueError(f"{text!r}: names no capability to hide; {_FORM}")
    fields: list[tuple[str, str]] = []
    for condition in conditions.split(";"):
        name, equals, pattern = condition.partition("=")
        if not equals or not name.strip() or not pattern.strip():
            raise ValueError(f"{text!r}: has a condition that is no FIELD=PATTERN; {_FORM}")
        fields.append((name.strip().lower(), pattern.strip()))
    return ClientMask(tuple(fields), hidden)


def show_client_mask(mask: ClientMask) -> str:
    """As :func:`read_client_mask` reads it."""
    conditions = "; ".join(f"{name}={pattern}" for name, pattern in mask.fields)
    return f"{conditions}: {', '.join(sorted(mask.hidden))}"
