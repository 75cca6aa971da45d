"""Capabilities that are hidden from clients which choke on them, told by what they say of themselves (RFC 2971).

Owns how such a rule is written and which client it fits. Does not own what hiding means (``offers``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate

_FORM = "write it as name=Example*; version=1.*: IDLE, MOVE"


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
    """``IDLE, MOVE``: in capitals; anything else that separates them is part of a name that nothing has."""
    return frozenset(name.strip().upper() for name in text.split(",")) - {""}


def read_client_mask(text: str) -> ClientMask:
    """``FIELD=PATTERN; FIELD=PATTERN: CAPABILITY, CAPABILITY``; ValueError says what is wrong with it."""
    conditions, colon, names = text.rpartition(":")
    hidden = capability_names(names)
    if not colon or not hidden:
        raise ValueError(f"{text!r}: names no capability to hide; {_FORM}")
    if "IMAP4REV1" in hidden:
        raise ValueError(f"{text!r}: IMAP4rev1 cannot be hidden; {_FORM}")
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
