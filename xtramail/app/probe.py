"""A try of the way to a primary: what is to be tried, and what is told of each step. ``probe_run`` does it."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.directory.imap_access import ImapAccess
from xtramail.model.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """``place``: host and port of our own service for the world. ``wait``: seconds for the primary to take it."""

    domain: str
    recipient: Address
    place: tuple[str, int]
    hostname: str
    wait: float
    access: ImapAccess | None
    """Of the primary's IMAP, where the message is to be looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    what: str
    good: bool
    text: str
    seconds: float
    """Since the beginning."""
    remedy: str = ""
    """What to do next where it failed."""
    waits: bool = False
    """Neither good nor over: it is tried again."""
