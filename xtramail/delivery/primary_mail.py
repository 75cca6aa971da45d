"""What lies in the mailboxes of a primary: the words between ``delivery`` and the network.

Owns the question only. ``net`` answers it over IMAP with the domain's credentials; tests have a scripted answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from xtramail.model.pending import Pending
from xtramail.store.records import DomainRow


class PrimaryMail(Protocol):
    """Looks into mailboxes at the primary."""

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        """Whether ``address`` has a message with this Message-ID (with its angle brackets) there, in any mailbox.

        None when that cannot be known: no credentials, no answer, or no right to look. Never fails, and takes a bounded
        time: somebody waits to hand the message over.
        """


class PrimaryMailboxes(Protocol):
    """Looks for many messages at once."""

    def which(
        self, domain: DomainRow, address: str, values: Iterable[str], field: str = "Message-ID"
    ) -> Pending[frozenset[str] | None]:
        """Those of ``values`` (Message-IDs with angle brackets) that ``address`` has there, in any mailbox, in this
        field of a message's header (of Received: as part of one).

        None when that cannot be known. What cannot be searched for is never among them. Never fails.
        """


class NoPrimaryMail:
    """Where nobody can look."""

    def has(self, domain: DomainRow, address: str, message_id: str) -> Pending[bool | None]:
        return Pending.of(None)
