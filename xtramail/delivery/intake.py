"""Mail from the world (port 25): one transaction from MAIL to the durable 250.

Owns the order of the steps and the checks that need the whole header (loops). Verdicts on sender and recipients are
``policy``'s, the text ``spool``'s, the commit ``acceptance``'s.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from xtramail.delivery import trace
from xtramail.delivery.acceptance import Acceptance, unavailable
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.mirroring import mirroring
from xtramail.delivery.policy import Policy
from xtramail.delivery.recipients import Recipients
from xtramail.delivery.sent_back import came_back
from xtramail.delivery.spool import Spool
from xtramail.model.bucket import Bucket
from xtramail.model.clock import Clock
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import XtramailError
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.message import Summary
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store.engine import Engine
from xtramail.telemetry.crashpoint import reach

SENDER_OK = Reply.of(250, "2.1.0", "sender ok")
NOBODY = ReversePath(address=None)
LOOP = Reply.of(554, "5.4.6", "Mail loop: this message has been through too many hosts, or too often through this one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What every transaction of one server shares; ``received_hops``: Received fields that make a loop."""

    engine: Engine
    policy: Policy
    acceptance: Acceptance
    clock: Clock
    ids: IdSource
    received_hops: int = trace.MAX_HOPS

    def begin(self, peer: Peer, handed_by: frozenset[str] = frozenset()) -> IntakeTransaction:
        """``handed_by``: the domains whose own hosts ``peer`` is one of."""
        return IntakeTransaction(
            self,
            peer,
            message_id=self.ids.next(),
            path=NOBODY,
            recipients=Recipients(self.policy, NOBODY, outside=False),
            handed_by=handed_by,
        )

    def go_on(
        self,
        peer: Peer,
        *,
        message_id: MessageId,
        path: ReversePath,
        recipients: Recipients,
        handed_by: frozenset[str],
    ) -> IntakeTransaction:
        """A transaction whose sender and recipients were judged elsewhere; the text is next."""
        return IntakeTransaction(
            self, peer, message_id=message_id, path=path, recipients=recipients, handed_by=handed_by
        )


class IntakeTransaction:
    """See ``transaction.MailTransaction``."""

    def __init__(
        self,
        intake: Intake,
        peer: Peer,
        *,
        message_id: MessageId,
        path: ReversePath,
        recipients: Recipients,
        handed_by: frozenset[str],
    ) -> None:
        self._intake = intake
        self._peer = peer
        self._message_id = message_id
        self._path = path
        self._recipients = recipients
        self._handed_by = handed_by
        self._arrival: Arrival | None = None
        self._spool: Spool | None = None

    @property
    def message_id(self) -> MessageId:
        return self._message_id

    def mail_from(self, path: ReversePath) -> Reply:
        full = self._intake.policy.space()
        if full is not None:
            return full
        self._path = path
        self._recipients = Recipients(self._intake.policy, path, outside=False)
        return SENDER_OK

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        return self._recipients.add(path)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        _, spool = self._begun()
        return spool.write(octets)

    async def commit(self) -> Reply:
        arrival, spool = self._begun()
        acceptance = self._intake.acceptance
        try:
            text = await spool.finish()
        except XtramailError as error:
            return acceptance.refuse(arrival, unavailable(error), type(error).__name__)
        hostname = self._intake.policy.settings.hostname
        if looped(arrival, text.summary, hostname, self._intake.received_hops) or came_back(
            arrival, text.summary, hostname
        ):
            return acceptance.refuse(arrival, LOOP, "loop")
        return await acceptance.commit(arrival, text, sent=None, now=self._intake.clock.now())

    def abort(self) -> None:
        self._spool = None

    def _begun(self) -> tuple[Arrival, Spool]:
        """At the first octet the buckets are chosen, once: midnight may pass before the last one."""
        if self._arrival is None or self._spool is None:
            intake = self._intake
            arrival = Arrival(
                message_id=self._message_id,
                at=intake.clock.now(),
                peer=self._peer,
                reverse_path=self._path,
                routes=self._recipients.routes,
                origin="smtp",
                handed_by=self._handed_by,
            )
            self._arrival = mirroring(intake.policy.beside, arrival)
            self._spool = begin_spool(intake.engine, intake.clock, self._arrival, intake.policy.settings.hostname)
            reach("intake.first-chunk")
        return self._arrival, self._spool


def looped(arrival: Arrival, summary: Summary, hostname: str, hops: int) -> bool:
    """Whether a message is going in circles; ``hops``: Received fields that make a loop.

    What was handed to a domain's primary is not handed there again when that returns it: in a split domain it looks for
    the recipient here, and he is at neither place.
    """
    back = [one.path.address for one in arrival.written if one.relay and one.destination in arrival.handed_by]
    return trace.passed_before(summary, hostname, back) or trace.looped(
        summary,
        hostname,
        [route.path.address for route in arrival.written],
        forwarded=[one.forwarder for route in arrival.written for one in route.forwards],
        most=hops,
    )


def trace_header(arrival: Arrival, hostname: str) -> tuple[bytes, bytes]:
    """Our two trace fields: Return-Path and Received."""
    return trace.return_path(arrival.reverse_path), trace.received(
        peer=arrival.peer,
        hostname=hostname,
        message_id=arrival.message_id,
        at=arrival.at,
        recipients=[route.path.address for route in arrival.written],
        authenticated=arrival.authenticated,
        smtputf8=arrival.reverse_path.smtputf8,
        lmtp=arrival.origin == "lmtp",
    )


def begin_spool(
    engine: Engine, clock: Clock, arrival: Arrival, hostname: str, *, also: tuple[Bucket, ...] = ()
) -> Spool:
    """A spool in each bucket of ``arrival``, and in those named ``also``, that begins with the trace header."""
    top, received = trace_header(arrival, hostname)
    return Spool(
        engine,
        body_id=arrival.message_id,
        buckets=tuple(dict.fromkeys((*arrival.buckets(), *also))),
        return_path_length=len(top),
        clock=clock.worked,
        top=top + received,
    )
