"""The messages of one APPEND or REPLACE on their way in, as the dialogue of a connection sees them.

Owns their order and their one commit (RFC 3502, RFC 8508), and that binary parts of a literal8 are kept as base64. Does
not own the literals' framing (``wire/imap``), nor how a message is kept (``mailbox/append``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from xtramail.mailbox.append import Appending, file_all
from xtramail.mailbox.replace import Replacement
from xtramail.mailbox.session import Session
from xtramail.model.errors import LimitReached, UnknownEncoding
from xtramail.model.pending import Pending
from xtramail.model.sequence import SequenceSet
from xtramail.store.engine import Txn
from xtramail.store.messages import Added
from xtramail.telemetry import maillog
from xtramail.wire.imap import responses
from xtramail.wire.imap.append_commands import AppendMore, Replace
from xtramail.wire.imap.commands import Append
from xtramail.wire.mime.binary_parts import BinaryParts

MOST_MESSAGES = 1_000
"""Of one command: what is known of each is kept in memory until all are here."""


class Hold(Protocol):
    """The part of the transport that is needed here."""

    def hold_for(self, pending: Pending[None]) -> None: ...


class Incoming:
    """Made for the first message; the errors of each method refuse the whole command, which is then forgotten."""

    def __init__(self, session: Session, command: Append, line: Hold) -> None:
        self.command = command
        self._session = session
        self._line = line
        self._ended: list[Appending] = []
        self._octets = 0
        self._has_nul = False
        self._binary: BinaryParts | None = None
        self._replaced = Replacement(session, command) if isinstance(command, Replace) else None
        self._now = self._message(command)

    def more(self, command: AppendMore) -> None:
        """The message so far is complete; the next one begins."""
        if len(self._ended) + 1 >= MOST_MESSAGES:
            raise LimitReached(f"More than {MOST_MESSAGES} messages in one command")
        self._end()
        aside = self._now.set_aside()
        self._now = self._message(command)
        if not aside.done:
            self._line.hold_for(aside)

    def chunk(self, octets: bytes) -> None:
        self._take(octets if self._binary is None else self._binary.feed(octets))

    def _take(self, octets: bytes) -> None:
        # The connection lets NUL pass in a literal8 alone.
        self._has_nul = self._has_nul or b"\0" in octets
        pause = self._now.chunk(octets)
        if pause is not None and not pause.done:
            self._line.hold_for(pause)

    async def file(self) -> list[Added]:
        """All messages are here: in their mailbox, durable, once this returns, or none of them is."""
        self._end()
        return await file_all(self._session, self._ended, self._beforehand())

    def told(self, added: list[Added]) -> bytes:
        """The APPENDUID code; also writes what was filed to the log."""
        account = self._session.account.address
        for appending, one in zip(self._ended, added, strict=True):
            maillog.message_filed(
                message_id=appending.id, account=account, mailbox=self.command.mailbox, uid=one.uid
            )
        return responses.appenduid_code(added[0].uidvalidity, SequenceSet.of_numbers(one.uid for one in added))

    def _message(self, command: Append | AppendMore) -> Appending:
        freed = self._replaced.size if self._replaced is not None else 0
        appending = Appending(
            self._session,
            self.command.mailbox,
            command.size,
            command.flags,
            command.keywords,
            command.received_at,
            self._octets - freed,
        )
        self._octets += command.size
        self._binary = BinaryParts() if command.binary else None
        return appending

    def _end(self) -> None:
        if self._binary is not None:
            self._take(self._binary.finish())
        if self._has_nul:
            # RFC 3516 §4.4: what no client without BINARY could fetch again is not taken.
            raise UnknownEncoding("NUL is kept only in parts whose Content-Transfer-Encoding is binary")
        self._now.end()
        self._ended.append(self._now)

    def _beforehand(self) -> Callable[[Txn], None] | None:
        return self._replaced.expunge if self._replaced is not None else None
