"""What the message log says of a message that was accepted: from where and how it came, for whom, and where it lies.

Owns the first event of every message's story. Where its copies lie is known only inside the commit that puts them there
(one has no room, another was filed by its client before): :class:`Places` carries that from part to part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from xtramail.delivery import trace
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.policy import Route
from xtramail.delivery.spool import Spooled
from xtramail.model.bucket import CLASS_LOG, bucket_at
from xtramail.model.ids import id_text
from xtramail.store import tracking
from xtramail.store.engine import Txn
from xtramail.store.records import LogEvent

INBOX = "INBOX"
SENT = "Sent"
RECIPIENTS_PER_EVENT = 100
OCTETS_PER_EVENT = 24_000
"""Of recipients, and of the mailboxes that are named: a value of the store holds 64 KiB."""


@dataclass(slots=True)
class Places:
    """Where the copies of one message came to lie. Parts of its commit may run again; the last time counts."""

    kept: dict[tuple[str, str], bool] = field(default_factory=dict)
    """By account and mailbox: whether there is a copy."""
    before: set[tuple[str, str]] = field(default_factory=set)
    """Of them, where one came earlier and nothing was added."""

    def noted(self, address: str, mailbox: str, part: Callable[[Txn], bool]) -> Callable[[Txn], bool]:
        """``part``, which says whether it put a copy into that mailbox of ``address``."""

        def run(txn: Txn) -> bool:
            self.before.discard((address, mailbox))
            self.kept[address, mailbox] = part(txn)
            return self.kept[address, mailbox]

        return run

    def fields(self, wanted: Callable[[str, str], bool]) -> dict[str, str]:
        """``stored``: account and mailbox of each copy; ``had``: of those that came before, be they deleted by now;
        ``skipped``: whose INBOX had no room for one."""
        places = [(place, kept) for place, kept in self.kept.items() if wanted(*place)]
        stored = [" ".join(place) for place, kept in places if kept and place not in self.before]
        had = [" ".join(place) for place, kept in places if kept and place in self.before]
        skipped = [address for (address, mailbox), kept in places if not kept and mailbox == INBOX]
        named = {"stored": _listed(stored), "had": _listed(had), "skipped": _listed(skipped)}
        return {name: text for name, text in named.items() if text}


def lots(routes: Sequence[Route]) -> Iterator[list[Route]]:
    """In lots that fit into one value of the store, and the replies that come later with them."""
    lot: list[Route] = []
    octets = 0
    for route in routes:
        size = len(str(route.path.address).encode()) + len(route.path.orcpt or "")
        if lot and (len(lot) == RECIPIENTS_PER_EVENT or octets + size > OCTETS_PER_EVENT):
            yield lot
            lot, octets = [], 0
        lot.append(route)
        octets += size
    if lot:
        yield lot


def tracked(
    arrival: Arrival, text: Spooled, now: float, places: Places, others: Sequence[LogEvent] = ()
) -> Callable[[Txn], None]:
    """The part that tells of it; it comes behind those that fill ``places``.

    ``others``: first events of messages that are accepted with it.
    """
    sender = "" if arrival.reverse_path.address is None else str(arrival.reverse_path.address)
    known = _known(arrival, text, others)
    # A copy may be in nobody's INBOX, and in somebody's Sent.
    some_routes = list(lots(arrival.routes)) or [[]]
    everybody = {account.address for route in arrival.routes for account in route.accounts}

    def events() -> Iterator[LogEvent]:
        for number, some in enumerate(some_routes):
            readers = {account.address for route in some for account in route.accounts}
            if number == 0:
                where = places.fields(lambda a, m: a in readers or a not in everybody or m == SENT)  # noqa: B023
            else:
                where = places.fields(lambda a, m: a in readers and m != SENT)  # noqa: B023
            yield LogEvent(
                at=now,
                message_id=arrival.message_id,
                kind="accepted",
                sender=sender,
                recipients=tuple(str(route.path.address) for route in some),
                text=f"accepted for {len(arrival.routes)} recipient{'s' * (len(arrival.routes) > 1)}",
                fields=known | where,
            )

    def write(txn: Txn) -> None:
        for event in (*events(), *others):
            tracking.record(txn, bucket_at(now, CLASS_LOG), event)

    return write


def _known(arrival: Arrival, text: Spooled, others: Sequence[LogEvent]) -> dict[str, str]:
    """What every event of it says."""
    way = trace.protocol(
        arrival.peer,
        authenticated=arrival.authenticated,
        smtputf8=arrival.reverse_path.smtputf8,
        lmtp=arrival.origin == "lmtp",
    )
    fields = {
        "size": str(text.summary.size),
        "peer": arrival.peer.address,
        "helo": arrival.peer.helo[:255],
        "tls": arrival.peer.tls,
        "with": way,
        "hops": str(max(text.summary.received_count - 1, 0)),
        "origin": arrival.origin,
        tracking.SUBJECT_FIELD: text.summary.subject[:200],
    }
    if text.summary.message_id:
        fields[tracking.MESSAGE_ID_FIELD] = text.summary.message_id
    if arrival.sender is not None:
        fields["account"] = arrival.sender.address
    if others:
        fields["copies"] = " ".join(id_text(other.message_id) for other in others)
    if text.signed.by:
        fields["dkim"] = text.signed.by
    if arrival.relay_client:
        fields["relay-client"] = arrival.relay_client
    return fields


def _listed(names: Sequence[str]) -> str:
    """The names, as many as one event holds."""
    octets = 0
    for number, name in enumerate(names):
        octets += len(name.encode()) + 2
        if octets > OCTETS_PER_EVENT:
            return f"{', '.join(names[:number])} and {len(names) - number} more"
    return ", ".join(names)
