"""One attempt: what it came to, and the words that ``relay`` and ``review`` share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from xtramail.delivery.signs import NOTHING, Signs
from xtramail.model.errors import XtramailError
from xtramail.store.engine import Txn
from xtramail.store.records import QueueEntry, QueueRecipient

Part = tuple[bytes, Callable[[Txn], Any]]
"""A scope, and what is written in it: of one commit."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to, for the log: ``entry`` as it is now, ``changed`` the recipients that were tried."""

    entry: QueueEntry
    changed: tuple[QueueRecipient, ...]
    host: str
    tls: str
    reached: bool
    """The host is there (or there is none, for good): whatever it then said."""
    aside: bool = False
    """It went another way than by the destination's hosts, and shows nothing of them."""
    signs: Signs = NOTHING
    """What it shows of the primary."""
    policy: str = ""
    """By what TLS was chosen, as Carried has it."""
    unreadable: str = ""
    """Why the stored message could not be read; somebody should look."""
    parked: Mapping[str, str] = field(default_factory=dict)
    """Who of ``changed`` waits for a person, by address, and why."""


class Notices(Protocol):
    """Tells a sender what did not arrive, or did when he asked for that (RFC 3464)."""

    def parts(
        self, entry: QueueEntry, settled: Sequence[QueueRecipient], now: float
    ) -> Coroutine[Any, Any, list[Part]]:
        """The writes of a notice to ``entry``'s sender about recipients that were just bounced or delivered.

        Empty where he did not ask for one, or none may be sent. They join the commit that settles the recipients.
        """


class LeaseLost(XtramailError):
    """Somebody else decides about this entry now."""
