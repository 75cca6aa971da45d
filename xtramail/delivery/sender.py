"""Who sends a message that we carry to the world, as its transaction sees it.

Owns the interface only: ``account_sender`` is a user who logged in, ``outward`` a host that sends for a domain.
"""

from __future__ import annotations

from typing import Protocol

from xtramail.delivery.arrival import Arrival
from xtramail.delivery.outgoing_header import HeaderNames
from xtramail.delivery.policy import Route
from xtramail.delivery.recipients import Admission
from xtramail.model.envelope import ReversePath
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer


class Sender(Protocol):
    """Of one transaction."""

    @property
    def size_limit(self) -> int:
        """Octets of one message."""

    def refuse_path(self, path: ReversePath) -> Reply | None:
        """Why it may not send under this reverse-path; None where it may."""

    def refuse_recipients(self, outside: int) -> Admission:
        """Why it may not write to so many recipients in the world, with the one that is asked about."""

    def refuse_message(
        self, path: ReversePath, header: HeaderNames, routes: tuple[Route, ...]
    ) -> Reply | None:
        """The same of a message, which has at least one author. What may go is counted."""

    def arrival(
        self,
        *,
        message_id: MessageId,
        at: float,
        peer: Peer,
        path: ReversePath,
        routes: tuple[Route, ...],
        authors: tuple[str, ...],
    ) -> Arrival:
        """The message with its sender's facts; ``authors`` are empty when it is refused before they are known."""
