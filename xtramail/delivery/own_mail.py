"""Mail that the server writes itself: accepted like any other, in the commit of what it tells of.

A message with an id, in mailboxes at once where we have them, with queue entry and ledger rows. It has the null sender:
nothing answers it, and nobody is told when it fails. What is written and to whom is ``notices``' and ``alerts``'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xtramail.delivery import accepted_rows as rows
from xtramail.delivery import signing
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.forwarding import home_of
from xtramail.delivery.intake import begin_spool
from xtramail.delivery.policy import Policy, Route
from xtramail.delivery.route import with_forwards
from xtramail.delivery.trace import delivered_to
from xtramail.model.clock import Clock
from xtramail.model.envelope import ReversePath
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.peer import Peer
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.store.records import QueueEntry

_HERE = Peer(address="127.0.0.1", helo="localhost", esmtp=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message that is sent when ``parts`` are committed."""

    message_id: MessageId
    parts: list[rows.Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMail:
    engine: Engine
    policy: Policy
    clock: Clock
    ids: IdSource
    hostname: str
    hold_seconds: float
    keys: signing.Keys = signing.NO_KEYS
    """By whom what it writes is signed, as mail of the host's domain."""

    async def write(self, text: bytes, routes: Sequence[Route], *, retention_class: int, now: float) -> Written:
        """The writes that accept ``text`` for each of ``routes``; nothing is sent unless they are committed.

        ``retention_class`` is for those outside of our domains. Large texts leave chunks behind in the store, which die
        with their day when the commit never comes.
        """
        arrival = Arrival(
            message_id=self.ids.next(),
            at=now,
            peer=_HERE,
            reverse_path=ReversePath(address=None),
            routes=with_forwards(routes),
            origin="smtp",
            home_class=retention_class,
        )
        spool = begin_spool(self.engine, self.clock, arrival, self.hostname)
        spool.write(text)
        spooled = await spool.finish()
        signature = signing.of_own(self.keys, self.hostname, text, now)
        copies = list(rows.copies(arrival))
        queued = [
            (
                QueueEntry(
                    id=self.ids.next(),
                    message_id=arrival.message_id,
                    destination=destination,
                    kind="primary" if some[0].domain is not None else "dsn",
                    body=spooled.ref(arrival.bucket(some[0])),
                    reverse_path="",
                    arrival=now,
                    due=now,
                    expires=now + self.hold_seconds,
                    recipients=tuple(rows.recipient(one, now) for one in some),
                    origin="dsn",
                    header_message_id=spooled.summary.message_id,
                    signature=(delivered_to(some[0].forwarder) if some[0].forwarder else b"") + signature.fields,
                    forwarder=home_of(some[0]),
                ),
                arrival.bucket(some[0]),
            )
            for destination, some in rows.by_destination(arrival.routes)
        ]
        places = rows.Places()
        parts = [
            *rows.deliveries(arrival, spooled, copies, self.policy, now, places),
            *rows.bodies_written(arrival, spooled, None, copies),
            (keys.QUEUE, rows.queued(arrival, queued)),
            (keys.LOG, rows.tracked(arrival, spooled, now, places)),
        ]
        return Written(message_id=arrival.message_id, parts=parts)
