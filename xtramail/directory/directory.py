"""Who is served here: the questions that mail in motion and logins ask of the directory.

Reads the store each time (a few microseconds), so that a change made by the command line holds at once. Owns no change:
those are ``domains`` and ``users``.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from xtramail.directory.mirrors import Keeping, kept_for
from xtramail.directory.relay_accounts import relay_account
from xtramail.directory.users import account_of, add_discovered
from xtramail.model.address import Address, domain_key
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput, PrimaryDown
from xtramail.model.outcome import Reply
from xtramail.model.primary import OUTAGE, State
from xtramail.store import accounts, domains, keys, outages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import Account, AskedRow, DomainRow

ROLE_LOCALS = frozenset({"postmaster", "abuse"})
"""Always accepted (RFC 5321 §4.5.1, RFC 2142 §4)."""

GOOD_SECONDS = 14 * 86_400.0
BAD_SECONDS = 3_600.0


class Standing(StrEnum):
    """What is known of an address."""

    LISTED = "listed"
    """Ours, or answered with yes by the primary."""
    ASK = "ask"
    """Nobody has asked the primary yet, or its answer is too old."""
    ANY = "any"
    """The domain takes every address."""
    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"
    """Its domain is not served here."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """``accounts``: whose mailboxes get a copy. ``relay``: it is handed on to the domain's primary."""

    standing: Standing
    domain: DomainRow | None
    accounts: tuple[Account, ...]
    relay: bool
    up: bool = True
    """Its primary is up, or there is none."""
    keeping: Keeping | None = None
    """How the mailboxes keep it."""


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
    ) -> None:
        """``keep_yes`` and ``keep_no``: seconds for which a primary's answer is believed."""
        self._engine = engine
        self._clock = clock
        self._asker = asker
        self._keep_yes = keep_yes
        self._keep_no = keep_no

    def domain(self, name: str) -> DomainRow | None:
        """The served domain of that name (any case, U- or A-labels), None when it is not served."""
        try:
            key = domain_key(name)
        except BadInput:
            return None
        return self._engine.read(keys.domain_scope(key), domains.get_domain)

    def account(self, address_key: str) -> Account | None:
        """The account that logs in under this address."""
        return account_of(self._engine, address_key)

    def standing(self, account: Account) -> Account | None:
        """The account as it is now, for who logged in as ``account``; see ``store.accounts.standing``."""
        now = self._clock.now()
        return self._engine.read(keys.user_scope(account.id), lambda snap: accounts.standing(snap, account, now))

    def relay_account(self, name: str) -> Account | None:
        """The login of a domain's primary; see ``relay_accounts``."""
        return relay_account(self._engine, name)

    def resolve(self, address: Address) -> Resolution:
        """What becomes of mail for ``address``, by what is known now."""
        domain = self.domain(address.domain)
        if domain is None:
            return Resolution(standing=Standing.ELSEWHERE, domain=None, accounts=(), relay=False)
        local, relay = address.local_key, bool(domain.primaries)
        now = self._clock.now()

        def look(snap: Snapshot) -> tuple[int, Standing, State, Keeping | None]:
            state = outages.state(snap) if relay else State.UP
            account_id, standing = known(snap, state)
            return account_id, standing, state, kept_for(snap, domain, local)

        def known(snap: Snapshot, state: State) -> tuple[int, Standing]:
            row = domains.get_recipient(snap, local)
            if row is not None:
                return row.account_id, Standing.LISTED
            if local in ROLE_LOCALS:
                return (0 if relay else _role_account(snap)), Standing.LISTED
            if domain.recipients == "any":
                return 0, Standing.ANY
            if domain.recipients == "listed" or not relay:
                return 0, Standing.UNKNOWN
            asked = domains.get_asked(snap, local)
            if state in OUTAGE:
                # What was learned stays as it was; a no may be the first sign of what went wrong there.
                return 0, Standing.LISTED if asked is not None and asked.good else Standing.ASK
            if asked is None or asked.until <= now:
                return 0, Standing.ASK
            return 0, Standing.LISTED if asked.good else Standing.UNKNOWN

        account_id, standing, state, keeping = self._engine.read(keys.domain_scope(domain.name), look)
        return Resolution(
            standing=standing,
            domain=domain,
            accounts=() if keeping is None else self._mailboxes_of(account_id),
            relay=relay,
            up=state is State.UP,
            keeping=keeping,
        )

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
        if good and self.keeping(address) is not None:
            await add_discovered(self._engine, address, now=now)
        row = AskedRow(good=good, until=now + (self._keep_yes if good else self._keep_no), asked=now)
        await self._engine.transact(scope, lambda txn: domains.put_asked(txn, local, row))
        return good

    def owns(self, account: Account, address: Address) -> bool:
        """Whether ``account`` may send as ``address``."""
        return Address.parse(account.address).key == address.key

    def _mailboxes_of(self, account_id: int) -> tuple[Account, ...]:
        if account_id == 0:
            return ()
        account = self._engine.read(keys.user_scope(account_id), accounts.get_account)
        return (account,) if account is not None and account.kind != "list" else ()


def _says_unknown(reply: Reply) -> bool:
    """Whether a refusal is about the address (RFC 3463 §3.2), not about a mailbox, a policy or us.

    5.4.1 is what Exchange Online says of recipients it does not know.
    """
    return reply.enhanced in ("", "5.0.0", "5.4.1") or reply.enhanced.startswith("5.1.")


def _role_account(snap: Snapshot) -> int:
    """Whose mailbox gets postmaster's mail in a domain without a primary: its contact's, else its first user's."""
    domain = domains.get_domain(snap)
    contact = domain.settings.get("contact", "") if domain is not None else ""
    if contact:
        row = domains.get_recipient(snap, contact.rpartition("@")[0].casefold())
        if row is not None and row.account_id:
            return row.account_id
    users = sorted((row.created, row.account_id) for _, row in domains.recipients(snap) if row.account_id)
    return users[0][1] if users else 0
