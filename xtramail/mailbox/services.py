"""What the sessions of all accounts share: the store, looks, clocks, and the bounds of what one client may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xtramail.directory.domain_room import any_room
from xtramail.mailbox.look import Looks
from xtramail.mailbox.run_memory import RunMemory
from xtramail.model.clock import Clock
from xtramail.model.ids import IdSource
from xtramail.store.engine import Engine
from xtramail.store.records import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxLimits:
    """What one client may use."""

    message_octets: int = 50 << 20
    search_seconds: float = 30.0
    slice_seconds: float = 0.015
    """Longest work in one go, so that a reactor turn stays under 20 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxServices:
    """What every session shares."""

    engine: Engine
    looks: Looks
    clock: Clock
    ids: IdSource
    limits: MailboxLimits
    runs: RunMemory = field(default_factory=RunMemory)
    """What SEARCH keeps in memory."""
    room: Callable[[Account, int], bool] = any_room
    """Whether so many more octets of a user are within his domain's quota."""
    full: Callable[[], bool] = lambda: False
    """Only the reserve is left of the store, and that is for deleting and expiry."""
