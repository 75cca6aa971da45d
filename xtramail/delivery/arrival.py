"""One message on its way in: what is known of it before its text, and what is told to the log when its way ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xtramail.delivery.policy import Route
from xtramail.delivery.rates import Count
from xtramail.directory.mirrors import Mirrored
from xtramail.model.bucket import Bucket, bucket_at
from xtramail.model.envelope import ReversePath
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store.records import Account, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message on its way in. ``at``: when its first octet came, in seconds since 1970; it decides every bucket."""

    message_id: MessageId
    at: float
    peer: Peer
    reverse_path: ReversePath
    routes: tuple[Route, ...]
    """Those that were named, then those to whom they are forwarded."""
    origin: Origin
    home_class: int = 0
    """Submission and outward: the retention class of the sender's domain."""
    sender: Account | None = None
    """Submission: who logged in."""
    relay_client: str = ""
    """Outward: the domain for which a relay client sends."""
    handed_by: frozenset[str] = frozenset()
    """Domains whose own hosts handed it over."""
    authenticated: bool = False
    """By a login."""
    sent_for: tuple[Account, ...] = ()
    """In whose Sent a copy is filed."""
    mirrors: tuple[Mirrored, ...] = ()
    """In whose INBOX a copy is kept beside (``mirroring``)."""
    counted: Count | None = None
    """Counts it with what its sender sends to the world, where it goes there."""

    @property
    def written(self) -> tuple[Route, ...]:
        """The recipients as the sender named them."""
        return tuple(route for route in self.routes if not route.forwarder)

    @property
    def keeps_sent(self) -> bool:
        return bool(self.sent_for)

    def bucket(self, route: Route) -> Bucket:
        """Of the recipient; of the sender for the outside world."""
        kept = route.kept
        return bucket_at(self.at, self.home_class if kept is None else kept.retention_class)

    def bucket_of(self, route: Route, account: Account) -> Bucket:
        """Of one of its mailboxes' copy."""
        kept = route.kept_by(account)
        return self.bucket(route) if kept is None else bucket_at(self.at, kept.retention_class)

    def beside(self, mirror: Mirrored) -> Bucket:
        """Of a mirror's copy."""
        return bucket_at(self.at, mirror.keeping.retention_class)

    @property
    def home(self) -> Bucket:
        return bucket_at(self.at, self.home_class)

    def buckets(self) -> tuple[Bucket, ...]:
        """Those that need the text, each once."""
        own = (self.bucket(route) for route in self.routes)
        apart = (self.bucket_of(route, one) for route in self.routes for one in route.accounts if route.keepings)
        return tuple(dict.fromkeys((*own, *apart, *(self.beside(mirror) for mirror in self.mirrors))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became durable, for the log."""

    arrival: Arrival
    size: int
    header_message_id: str
    mailboxes: int
    """How many got a copy."""
    skipped: tuple[str, ...]
    """Accounts whose copy did not fit; their mail goes to the primary all the same."""
    signed: str = ""
    """By whose DKIM keys; empty: by none."""


class AcceptanceLog(Protocol):
    def accepted(self, accepted: Accepted) -> None: ...

    def copy_skipped(self, arrival: Arrival, account: str) -> None:
        """An alarm: a mailbox is over so many quotas that mail to its primary is not copied any more."""

    def domain_full(self, arrival: Arrival, account: str) -> None:
        """The same of all mailboxes of a domain together."""

    def report_lost(self, arrival: Arrival, cause: str) -> None:
        """A report of success that the sender asked for could not be written."""

    def refused(self, arrival: Arrival, reply: Reply, cause: str) -> None:
        """A message was refused after its text."""
