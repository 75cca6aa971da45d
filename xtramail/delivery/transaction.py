"""One SMTP mail transaction as its edge sees it (RFC 5321 §3.3): MAIL, RCPT, the text, and one durable answer.

Owns the interface only. ``intake`` fulfils it for mail from the world, ``submission`` for mail of our users,
``outward`` for mail that a primary sends through us, ``lmtp`` for copies.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.pending import Pending


class MailTransaction(Protocol):
    """Used once, in order: ``mail_from``, ``rcpt_to``..., ``chunk``..., then ``commit`` or ``abort``."""

    @property
    def message_id(self) -> MessageId:
        """Ours: named in each log line, in Received and in the answer to the final dot."""

    def mail_from(self, path: ReversePath) -> Reply:
        """After anything but a 2yz reply the transaction is over."""

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        """A coroutine only where the primary has to be asked; the hot path has its answer at once."""

    def chunk(self, octets: bytes) -> Pending[None] | None:
        """Some of the text; at its first octet its buckets are chosen.

        A Pending asks for a pause until it is done; it never fails (``commit`` tells).
        """

    async def commit(self) -> Reply:
        """All text is here. 250 once everything is durable; never raises what is expected to go wrong."""

    def abort(self) -> None:
        """Nothing of it happened. What was written of the body dies with its day."""


class AnswersEach:
    """A transaction of LMTP: after ``commit`` (which gives the best of them) an answer for each RCPT that was taken.

    A class and no protocol: every message asks for it, and a protocol is asked for by its attributes, slowly.
    """

    answers: tuple[Reply, ...] = ()
    """In the order of the RCPTs (RFC 2033 §4.2)."""
