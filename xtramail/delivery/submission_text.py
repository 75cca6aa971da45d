"""The text of a submitted message in the forms it is stored in: for its recipients, and for the sender's Sent.

They are one body where they can be: the same octets in the same bucket. A Bcc makes them two (RFC 5322 §3.6.3: the Sent
copy keeps it, nobody else sees it), another retention class makes two copies of one.
"""

from __future__ import annotations

from dataclasses import replace

from xtramail.delivery import signing, trace
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import trace_header
from xtramail.delivery.outgoing_header import OutgoingHeader
from xtramail.delivery.spool import Spool, Spooled, all_done
from xtramail.model.address import Address
from xtramail.model.bucket import Bucket
from xtramail.model.clock import Clock
from xtramail.model.ids import MessageId, id_text
from xtramail.model.pending import Pending
from xtramail.store.engine import Engine
from xtramail.telemetry.crashpoint import reach


class SubmissionText:
    """Begins with the checked header; ``write`` the rest."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        arrival: Arrival,
        header: OutgoingHeader,
        *,
        hostname: str,
        sent_id: MessageId,
        keys: signing.Keys,
    ) -> None:
        """``sent_id``: the body id of the Sent copy, should it need a body of its own. ``keys``: who signs it."""
        top, received = trace_header(arrival, hostname)
        domain = arrival.relay_client or hostname
        if arrival.sender is not None:
            domain = Address.parse(arrival.sender.address).domain_key
        added = header.added(
            date=trace.date_time(arrival.at), message_id=f"<{id_text(arrival.message_id)}@{domain}>"
        )
        buckets = arrival.buckets()
        apart = header.has_bcc and arrival.keeps_sent
        if arrival.keeps_sent and not apart:
            buckets = tuple(dict.fromkeys((*buckets, arrival.home)))

        def spool(body_id: MessageId, where: tuple[Bucket, ...]) -> Spool:
            return Spool(
                engine, body_id=body_id, buckets=where, return_path_length=len(top), clock=clock.worked
            )

        self._relayed = spool(arrival.message_id, buckets)
        self._sent = spool(sent_id, (arrival.home,)) if apart else self._relayed if arrival.keeps_sent else None
        lead, leaving = top + received + added, header.without_bcc()
        self._signature = signing.of_author(keys, header.authors[0], added + leaving, arrival.at)
        self._relayed.write(lead + leaving)
        if self._sent is not None and self._sent is not self._relayed:
            self._sent.write(lead + header.octets)
        reach("intake.first-chunk")

    def write(self, octets: bytes) -> Pending[None] | None:
        """A Pending asks for a pause; it never fails."""
        self._signature.write(octets)
        waits = [spool.write(octets) for spool in self._spools()]
        asked = [wait for wait in waits if wait is not None]
        return all_done(asked) if asked else None

    async def finish(self) -> tuple[Spooled, Spooled | None]:
        """What is relayed, and the Sent copy: the same object where it is the same body, None where there is none.

        Both are under the same signatures, which say nothing of a Bcc.
        """
        signed = self._signature.finish()
        relayed = replace(await self._relayed.finish(), signed=signed)
        if self._sent is None or self._sent is self._relayed:
            return relayed, None if self._sent is None else relayed
        return relayed, replace(await self._sent.finish(), signed=signed)

    def _spools(self) -> tuple[Spool, ...]:
        if self._sent is None or self._sent is self._relayed:
            return (self._relayed,)
        return self._relayed, self._sent
