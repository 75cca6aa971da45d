"""Mail that a relay client (most often the primary itself) sends to the world through us.

Owns what such a host may send, and as whom: reverse-path and From lie in a domain that it may send for. The message is
filed in the Sent of whoever it names there, then goes the way of all submitted mail. Which hosts may is
``directory/relay_clients``'s; the way is ``submission``'s.

On port 25 the same host may also bring mail *to* its domain (a filter in front of the primary). What goes to nobody but
recipients of the sender's own domain is therefore taken as mail from the world is: no copy in Sent, no look at From.
So are reports to users of another tenant, whoever claims the host that they come from.
It is handed to the primary like all mail for it, which may be the other half of a split domain; what had been there
already, for the same recipient, is refused as a loop (``intake.looped``).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from xtramail.delivery.account_sender import LOGIN_ENDED
from xtramail.delivery.arrival import Arrival
from xtramail.delivery.intake import Intake
from xtramail.delivery.outgoing_header import HeaderNames
from xtramail.delivery.policy import Route
from xtramail.delivery.relay_rate import RelayRate
from xtramail.delivery.submission import Submission, SubmissionTransaction
from xtramail.delivery.transaction import MailTransaction
from xtramail.directory.domain_settings import count
from xtramail.directory.relay_clients import RelayClients
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.errors import BadInput
from xtramail.model.ids import MessageId
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.store import keys
from xtramail.store.records import Account, DomainRow

NOT_YOURS = Reply.of(553, "5.7.1", "This sender address is not in a domain that this host sends for")
LOGIN_FIRST = Reply.of(530, "5.7.0", "authentication required")
FROM_ELSEWHERE = Reply.of(550, "5.7.1", "The From address is not in a domain that this host sends for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """What every such transaction of one server shares."""

    clients: RelayClients
    intake: Intake
    submission: Submission
    rate: RelayRate

    def begin(self, peer: Peer) -> MailTransaction:
        """On port 25."""
        domains = self.clients.domains_of(peer)
        return OutwardTransaction(self, peer, domains) if domains else self.intake.begin(peer)

    def begin_submission(self, peer: Peer, account: Account | None) -> MailTransaction:
        """On a submission port; without ``account`` for one of :meth:`needs_no_login`."""
        if account is not None and account.kind != "relay":
            return self.submission.begin(peer, account)
        return SubmissionTransaction(self.submission, peer, self.sender(peer, account))

    def sender(self, peer: Peer, account: Account | None) -> DomainSender:
        return DomainSender(self, self.clients.domains_of(peer), account)

    def needs_no_login(self, peer: Peer) -> bool:
        """It may send for some domain by its address or certificate."""
        return bool(self.clients.domains_of(peer))

    def watch(self, account: Account, ended: Callable[[], None]) -> Callable[[], None]:
        """As ``submission.watch``, for relay accounts too."""
        if account.kind != "relay":
            return self.submission.watch(account, ended)

        def look() -> None:
            if not self.current(account):
                ended()

        return self.submission.engine.watch(keys.domain_scope(account.address), look)

    def current(self, account: Account) -> bool:
        """Whether a relay account still has the password that it logged in with."""
        now = self.submission.directory.relay_account(account.address)
        return now is not None and now.password == account.password


class DomainSender:
    """See ``sender.Sender``: a host that sends for ``domains``."""

    def __init__(self, outward: Outward, domains: frozenset[str], account: Account | None) -> None:
        """``domains`` by its address or certificate, more by the relay account that it logged in with."""
        self._outward = outward
        self._directory = outward.submission.directory
        self._account = account
        self._domains = domains if account is None else domains | {account.address}

    @property
    def size_limit(self) -> int:
        return self._outward.submission.policy.settings.message_size

    def owned(self, address: str) -> DomainRow | None:
        """The domain of ``address`` where this host sends for it, None where it does not."""
        try:
            name = Address.parse(address).domain_key
        except BadInput:
            return None
        domain = self._directory.domain(name)
        return domain if domain is not None and domain.name in self._domains else None

    def refuse_path(self, path: ReversePath) -> Reply | None:
        if self._account is not None and not self._outward.current(self._account):
            return LOGIN_ENDED
        if path.address is None:
            # Reports and out-of-office replies; their From field is still looked at.
            return None if self._domains else LOGIN_FIRST
        if self.owned(str(path.address)) is None:
            return LOGIN_FIRST if self._account is None else NOT_YOURS
        return None

    def refuse_recipients(self, outside: int) -> None:
        """They are counted when the text is here: whose they are is in its header."""

    def refuse_message(
        self, path: ReversePath, header: HeaderNames, routes: tuple[Route, ...]
    ) -> Reply | None:
        owners = [self.owned(author) for author in header.authors]
        home = owners[0]
        if home is None or None in owners:
            return FROM_ELSEWHERE
        per_hour = count(home, "relay-rate")
        outside = sum(route.domain is None for route in routes)
        null_sender = path.address is None
        if outside and not self._outward.rate.take(home.name, outside, per_hour=per_hour, null_sender=null_sender):
            kind = " reports" if null_sender else ""
            return Reply.of(450, "4.7.1", f"{home.name} has sent too many{kind} in this hour, try again later")
        return None

    def arrival(
        self,
        *,
        message_id: MessageId,
        at: float,
        peer: Peer,
        path: ReversePath,
        routes: tuple[Route, ...],
        authors: tuple[str, ...],
    ) -> Arrival:
        named = [*authors, *([] if path.address is None else [str(path.address)])]
        homes = [home for home in map(self.owned, named) if home is not None]
        return Arrival(
            message_id=message_id,
            at=at,
            peer=peer,
            reverse_path=path,
            routes=routes,
            origin="outward",
            home_class=homes[0].retention_class if homes else 0,
            relay_client=homes[0].name if homes else "",
            handed_by=self._domains,
            authenticated=self._account is not None,
            sent_for=tuple(self._mailboxes(named)),
            counted=self._outward.submission.rates.host(homes[0].name, routes) if homes else None,
        )

    def _mailboxes(self, named: list[str]) -> Iterator[Account]:
        """Whose Sent gets a copy, each once."""
        found: set[int] = set()
        for address in named:
            if self.owned(address) is None or self._directory.keeping(Address.parse(address)) is None:
                continue
            account = self._directory.account(Address.parse(address).key)
            if account is not None and account.kind != "list" and account.id not in found:
                found.add(account.id)
                yield account


class OutwardTransaction:
    """See ``transaction.MailTransaction``: on port 25, from a host that may send for ``domains``."""

    def __init__(self, outward: Outward, peer: Peer, domains: frozenset[str]) -> None:
        self._outward = outward
        self._peer = peer
        self._domains = domains
        self._sending = SubmissionTransaction(
            outward.submission, peer, DomainSender(outward, domains, account=None)
        )
        self._way: MailTransaction = self._sending
        self._chosen = False

    @property
    def message_id(self) -> MessageId:
        return self._way.message_id

    def mail_from(self, path: ReversePath) -> Reply:
        if path.address is not None and self._domain_of(path.address) not in self._domains:
            # Mail from the world, which a filter at this address passes on.
            self._way, self._chosen = self._outward.intake.begin(self._peer, self._domains), True
        return self._way.mail_from(path)

    def rcpt_to(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        return self._way.rcpt_to(path)

    def chunk(self, octets: bytes) -> Pending[None] | None:
        self._choose()
        return self._way.chunk(octets)

    async def commit(self) -> Reply:
        self._choose()
        return await self._way.commit()

    def abort(self) -> None:
        self._way.abort()

    def _choose(self) -> None:
        if self._chosen:
            return
        self._chosen = True
        path, recipients = self._sending.path, self._sending.recipients
        own = self._domains if path.address is None else {self._domain_of(path.address)}
        written = (route for route in recipients.routes if not route.forwarder)
        if all(
            route.domain is not None
            and (route.domain.name in own or (path.address is None and self._is_anothers(route.domain)))
            for route in written
        ):
            self._way = self._outward.intake.go_on(
                self._peer,
                message_id=self._sending.message_id,
                path=path,
                recipients=recipients,
                handed_by=self._domains,
            )

    def _is_anothers(self, domain: DomainRow) -> bool:
        """Whether it is of none of the tenants whose admins said that this host sends for them.

        They may have named hosts that are not theirs, and reports that those send to others come from the world.
        """
        found = (self._outward.submission.directory.domain(name) for name in self._domains)
        return domain.tenant not in {one.tenant for one in found if one is not None}

    def _domain_of(self, address: Address) -> str:
        """By the name under which it is served."""
        domain = self._outward.submission.directory.domain(address.domain)
        return "" if domain is None else domain.name
