"""Who is served here: the questions that mail in motion and logins ask of the directory.

Reads the store each time (a few microseconds), so that a change made by the command line holds at once. Owns no change:
those are ``domains`` and ``users``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from xtramail.directory.desk import Desk
from xtramail.directory.mirrors import Keeping, kept_for
from xtramail.directory.places import HERE, Place, place_of
from xtramail.directory.relay_accounts import relay_account
from xtramail.directory.resolution import ROLE_LOCALS as ROLE_LOCALS
from xtramail.directory.resolution import Resolution as Resolution
from xtramail.directory.resolution import Resolver
from xtramail.directory.resolution import Standing as Standing
from xtramail.directory.senders import may_send
from xtramail.directory.users import account_of, add_discovered
from xtramail.model.actor import SERVER
from xtramail.model.address import Address, domain_key
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput, PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.primary import CLOSED, State
from xtramail.store import accounts, domains, keys, outages
from xtramail.store.aliases import is_taken, served_as
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import Account, AskedRow, DomainRow

GOOD_SECONDS = 14 * 86_400.0
BAD_SECONDS = 3_600.0

_REMEMBERED = 256
"""Domains, those that somebody makes up too."""


class Asker(Protocol):
    """Puts a recipient to a primary (MAIL <>, RCPT, RSET); the edge keeps the connection."""

    def ask(self, domain: DomainRow, address: Address) -> Awaitable[Reply]:
        """The primary's reply to RCPT; PrimaryDown when there is none in time."""


class Directory:
    """Answers from the store; asks the primary only where :meth:`ask` is awaited."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        asker: Asker,
        keep_yes: float = GOOD_SECONDS,
        keep_no: float = BAD_SECONDS,
        operator: tuple[str, ...] = (),
    ) -> None:
        """``keep_yes`` and ``keep_no``: seconds for which a primary's answer is believed. ``operator``: addresses that
        get postmaster's mail of a domain that has nobody."""
        self._engine = engine
        self._clock = clock
        self._asker = asker
        self._keep_yes = keep_yes
        self._keep_no = keep_no
        self._served: dict[str, DomainRow | None] = {}
        """What was looked up by domain key, as of :attr:`_as_of` (``Engine.domain_writes``)."""
        self._as_of = 0
        self._resolver = Resolver(engine=engine, clock=clock, served=self.domain, operator=operator)

    def domain(self, name: str) -> DomainRow | None:
        """The served domain of that name (any case, U- or A-labels) or other name; None when it is not served."""
        try:
            key = domain_key(name)
        except BadInput:
            return None
        newest = self._engine.domain_writes()
        if newest != self._as_of or len(self._served) >= _REMEMBERED:
            self._served.clear()
            self._as_of = newest
        if key not in self._served:
            self._served[key] = served_as(self._engine, key)
        return self._served[key]

    def awaited(self, name: str) -> bool:
        """Whether a domain was added, but is not served before it is proved whose it is; be it by another name."""
        try:
            return is_taken(self._engine, domain_key(name)) and self.domain(name) is None
        except BadInput:
            return False

    def account(self, address_key: str) -> Account | None:
        """The account that logs in under this address, be it in another name of its domain."""
        local, _, name = address_key.rpartition("@")
        domain = self.domain(name)
        return account_of(self._engine, f"{local}@{domain.name}") if domain is not None else None

    def standing(self, account: Account) -> Account | None:
        """The account as it is now, for who logged in as ``account``; see ``store.accounts.standing``."""
        now = self._clock.now()
        return self._engine.read(keys.user_scope(account.id), lambda snap: accounts.standing(snap, account, now))

    def relay_account(self, name: str) -> Account | None:
        """The login of a domain's primary; see ``relay_accounts``."""
        return relay_account(self._engine, name)

    def resolve(self, address: Address) -> Resolution:
        """What becomes of mail for ``address``, by what is known now."""
        return self._resolver.resolve(address)

    def canonical(self, address: Address) -> Address:
        """``address`` in its domain's own name, where that has another."""
        return self._resolver.canonical(address)

    def place(self, address: Address) -> Place:
        """Where a served address lives; of one that is not served, that it is handed to nobody."""
        domain, local = self.domain(address.domain), address.local_key
        if domain is None:
            return HERE
        return self._engine.read(keys.domain_scope(domain.name), lambda snap: place_of(snap, domain, local))

    def away(self, domain: DomainRow) -> bool:
        """Whether nothing is handed to the primary of a domain now."""
        return bool(domain.primaries) and self._engine.read(keys.domain_scope(domain.name), outages.state) in CLOSED

    def keeping(self, address: Address) -> Keeping | None:
        """How the mailbox of a served address keeps its mail; None where it does not."""
        domain = self.domain(address.domain)
        if domain is None:
            return None
        return self._engine.read(
            keys.domain_scope(domain.name), lambda snap: kept_for(snap, domain, address.local_key)
        )

    async def ask(self, address: Address) -> bool:
        """Whether the primary knows the recipient; its answer is kept (yes 14 days, no 1 hour).

        A recipient it knows becomes a user without a password, so that its mail is kept from this message on. While the
        primary is not up an old yes still holds, and its no is none (a directory that did not come up knows nobody);
        one that is down is not asked at all. PrimaryDown where there is no answer to go by.
        """
        domain = self.domain(address.domain)
        if domain is None:
            return False
        scope, local, now = keys.domain_scope(domain.name), address.local_key, self._clock.now()
        known = self._engine.read(scope, lambda snap: domains.get_asked(snap, local))
        was_good = known is not None and known.good
        state = self._engine.read(scope, outages.state)
        try:
            if state is State.DOWN:
                raise PrimaryDown(f"the primary of {domain.name} is down")
            reply = await self._asker.ask(domain, address)
            if reply.transient or (state is not State.UP and not reply.positive):
                raise PrimaryDown(reply.text)
        except PrimaryDown:
            if was_good:
                return True
            raise
        good = reply.positive
        if was_good and not good and not _says_unknown(reply):
            # A full mailbox, or a primary that does not like us today: the recipient is no less good for it.
            return True
        # The mailbox first: with the answer alone its mail would be relayed and not kept.
        if good and self.keeping(address) is not None and not self.resolve(address).accounts:
            await add_discovered(Desk(self._engine, SERVER, self._clock), self.canonical(address))
        row = AskedRow(good=good, until=now + (self._keep_yes if good else self._keep_no), asked=now)
        await self._engine.transact(scope, lambda txn: domains.put_asked(txn, local, row))
        return good

    def owns(self, account: Account, address: Address) -> bool:
        """Whether ``account`` may send as ``address``: his own, one of which he was named an owner, or one that stands
        for him where nobody was named."""
        domain, meant = self.domain(address.domain), self.canonical(address)
        if domain is None:
            return False
        own = Address.parse(account.address).key
        names = self._resolver.names(domain, meant.local_key)
        if any(f"{one}@{domain.name}" == own for one in names):
            return True

        def named(snap: Snapshot) -> bool | None:
            found = (may_send(snap, one, account.id) for one in names)
            return next((said for said in found if said is not None), None)

        said = self._engine.read(keys.domain_scope(domain.name), named)
        return self._resolver.stands_for(address, account) if said is None else said


def _says_unknown(reply: Reply) -> bool:
    """Whether a refusal is about the address (RFC 3463 §3.2), not about a mailbox, a policy or us.

    5.4.1 is what Exchange Online says of recipients it does not know.
    """
    return reply.enhanced in ("", "5.0.0", "5.4.1") or reply.enhanced.startswith("5.1.")
