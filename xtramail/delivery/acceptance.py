"""Acceptance: the one commit behind a 250, with everything that one message leaves in the store.

Owns that either all of it is durable or nothing was accepted. The rows are ``accepted_rows``'s; whether a message is
accepted is decided before, in ``policy``, ``intake`` and ``submission``.
"""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.delivery import accepted_rows as rows
from xtramail.delivery.arrival import AcceptanceLog, Accepted, Arrival
from xtramail.delivery.policy import STORE_FAULT, STORE_FULL, Policy
from xtramail.delivery.spool import Spooled
from xtramail.model.bucket import Bucket
from xtramail.model.envelope import BodyType
from xtramail.model.errors import StoreFull, XtramailError
from xtramail.model.ids import IdSource, id_text
from xtramail.model.outcome import Reply
from xtramail.store import keys
from xtramail.store.engine import Engine
from xtramail.store.records import QueueEntry
from xtramail.telemetry.crashpoint import reach


class Acceptance:
    """Commits messages."""

    def __init__(
        self, *, engine: Engine, policy: Policy, ids: IdSource, log: AcceptanceLog, hold_seconds: float
    ) -> None:
        """``hold_seconds``: how long a message may wait in the queue before its sender is told."""
        self._engine = engine
        self._policy = policy
        self._ids = ids
        self._log = log
        self._hold_seconds = hold_seconds

    async def commit(self, arrival: Arrival, text: Spooled, *, sent: Spooled | None, now: float) -> Reply:
        """250 once everything is durable; 452 or 451 when it could not be made so. ``sent``: the sender's own copy."""
        copies = list(rows.copies(arrival))
        parts = rows.deliveries(arrival, text, copies, self._policy, now)
        if sent is not None and arrival.sender is not None:
            parts.append(rows.filing(arrival, arrival.sender, sent, now))
        parts.extend(rows.bodies_written(arrival, text, sent, copies))
        parts.append((keys.QUEUE, rows.queued(arrival, list(self._entries(arrival, text)))))
        parts.append((keys.LOG, rows.tracked(arrival, text, now)))
        reach("intake.before-commit")
        try:
            results = await self._engine.transact_all(parts)
        except XtramailError as error:
            return self.refuse(arrival, unavailable(error), type(error).__name__)
        reach("intake.after-commit")
        skipped = tuple(copy.account.address for copy, kept in zip(copies, results, strict=False) if not kept)
        for address in skipped:
            self._log.copy_skipped(arrival, address)
        self._log.accepted(
            Accepted(
                arrival=arrival,
                size=text.summary.size,
                header_message_id=text.summary.message_id,
                mailboxes=len(copies) - len(skipped),
                skipped=skipped,
            )
        )
        return Reply.of(250, "2.0.0", f"Ok: queued as {id_text(arrival.message_id)}")

    def refuse(self, arrival: Arrival, reply: Reply, cause: str) -> Reply:
        """``reply``, once it is in the log with its ``cause``."""
        self._log.refused(arrival, reply, cause)
        return reply

    def _entries(self, arrival: Arrival, text: Spooled) -> Iterator[tuple[QueueEntry, Bucket]]:
        path = arrival.reverse_path
        for destination, routes in rows.by_destination(arrival.routes):
            bucket = arrival.bucket(routes[0])
            for some in rows.lots(routes):
                yield (
                    QueueEntry(
                        id=self._ids.next(),
                        message_id=arrival.message_id,
                        destination=destination,
                        kind="outside" if some[0].domain is None else "primary",
                        body=text.ref(bucket),
                        reverse_path="" if path.address is None else str(path.address),
                        arrival=arrival.at,
                        due=arrival.at,
                        expires=arrival.at + self._hold_seconds,
                        recipients=tuple(rows.recipient(route, arrival.at) for route in some),
                        origin=arrival.origin,
                        ret=path.ret or "",
                        envid=path.envid or "",
                        smtputf8=path.smtputf8,
                        eightbit=path.body is BodyType.EIGHT_BIT,
                        header_message_id=text.summary.message_id,
                        account_id=0 if arrival.sender is None else arrival.sender.id,
                    ),
                    bucket,
                )


def unavailable(error: XtramailError) -> Reply:
    """The answer when the store, for any reason, did not take a message."""
    return STORE_FULL if isinstance(error, StoreFull) else STORE_FAULT
