"""Mail that was turned away: what is written down of a sender, recipient or text that was refused.

Written under the id that the transaction would have given the message, so that a message taken for some of its
recipients tells in one story who was refused. Nothing waits for it, and a flood cannot fill the store: so many an hour
for each address block, so many for all of them. Owns the bounds; what is refused, and why, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from xtramail.model.address import Address
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.model.clock import Clock
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store import keys, tracking
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import LogEvent

KIND = "refused"
HOUR = 3_600.0
EACH = 100
"""Refusals an hour that are written of one address block."""
ALL = 5_000
"""The same of all together: some 4 MB an hour at the very most."""
_MOST_TEXT = 500
_OURS = "4.3."
"""Enhanced codes of our own trouble (no space, a fault): writing it down would only add to that."""


class TurnedAway:
    """Counts in memory, by the hour; after a restart anew."""

    def __init__(self, engine: Engine, clock: Clock, *, each: int = EACH, all: int = ALL) -> None:
        self._engine = engine
        self._clock = clock
        self._each = each
        self._all = all
        self._hour = 0
        self._written = 0
        self._blocks: dict[str, int] = {}
        """By address block: refusals in this hour. It has no more blocks than refusals are written."""
        self._left_out: dict[str, int] = {}
        """By address block: how many of this hour are not written."""
        self._earlier: dict[str, int] = {}
        """The same of the hour before."""

    def tell(
        self,
        *,
        message_id: MessageId,
        peer: Peer,
        service: str,
        command: str,
        sender: Address | None,
        recipients: Sequence[Address],
        reply: Reply,
        cause: str = "",
    ) -> None:
        """``command`` MAIL, RCPT or DATA; ``cause`` for us where the reply hides it."""
        if reply.enhanced.startswith(_OURS) or not self._may(peer.block):
            return
        now = self._clock.now()
        left_out = self._earlier.pop(peer.block, 0)
        fields = {
            "command": command,
            "peer": peer.address,
            "helo": peer.helo[:255],
            "tls": peer.tls,
            "service": service,
            "code": str(reply.code),
            "cause": cause[:_MOST_TEXT],
            "left-out": str(left_out) if left_out else "",
        }
        event = LogEvent(
            at=now,
            message_id=message_id,
            kind=KIND,
            sender="" if sender is None else str(sender),
            recipients=tuple(str(recipient) for recipient in recipients[:EACH]),
            text=reply.text[:_MOST_TEXT],
            fields={name: value for name, value in fields.items() if value},
        )

        def write(txn: Txn) -> None:
            tracking.record(txn, bucket_at(now, CLASS_LOG), event)

        # Whoever was refused has his answer, whether or not it could be written down.
        self._engine.transact(keys.LOG, write)

    def _may(self, block: str) -> bool:
        hour = int(self._clock.now() // HOUR)
        if hour != self._hour:
            self._hour, self._written = hour, 0
            self._blocks.clear()
            self._earlier, self._left_out = self._left_out, {}
        count = self._blocks.get(block, 0)
        if self._written >= self._all or count >= self._each:
            if block in self._blocks:
                self._left_out[block] = self._left_out.get(block, 0) + 1
            return False
        self._written += 1
        self._blocks[block] = count + 1
        return True
