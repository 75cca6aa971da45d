"""What becomes of an address: whose mailboxes get a copy, whether it is handed on, and to whom else it goes.

The one place that follows aliases, domain aliases, plus-addresses and catch-alls, for all mail however it comes. The
rule: what is handed on is handed on as it was written, once; there they only decide whose mailboxes get a copy. Mail is
forwarded by us only where the address that was written lives here.

Owns no change (``aliases``, ``domain_aliases``), and asks no primary (``directory``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from xtramail.directory.domain_settings import switch
from xtramail.directory.mirrors import Keeping, kept_for
from xtramail.directory.places import HERE, Place, place_of
from xtramail.model.address import Address, domain_key
from xtramail.model.clock import Clock
from xtramail.model.errors import BadInput
from xtramail.model.primary import OUTAGE, State
from xtramail.store import accounts, aliases, domains, keys, outages
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import Account, DomainRow

ROLE_LOCALS = frozenset({"postmaster", "abuse"})
"""Always accepted (RFC 5321 §4.5.1, RFC 2142 §4)."""
PLUS = "plus-addressing"
"""The domain's setting: what follows ``+`` in an address does not count."""
MOST_DEPTH = 16
"""So many aliases stand for each other in a row, and no more."""
_REMEMBERED = 4_096
MOST_ADDRESSES = 1_000
"""That one address stands for, all in all, the aliases among them counted."""


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
    """``accounts``: whose mailboxes get a copy. ``relay``: it is handed on, to its domain's primary or its own."""

    standing: Standing
    domain: DomainRow | None
    accounts: tuple[Account, ...]
    relay: bool
    up: bool = True
    """Its primary is up, or there is none."""
    keeping: Keeping | None = None
    """How the mailboxes keep it."""
    destination: str = ""
    """Under which it waits to be handed on, where it is."""
    keepings: Mapping[int, Keeping] = field(default_factory=dict)
    """By account, for those that keep it otherwise."""
    forwards: tuple[Address, ...] = ()
    """To whom we forward it: addresses in the world, or such as are handed on from here; each once."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows of its domain say of one address."""

    standing: Standing
    account_id: int = 0
    targets: tuple[str, ...] = ()
    """It is an alias of these."""
    named: bool = False
    """There is a row for it, or for what comes before its ``+``."""
    place: Place = HERE
    state: State = State.UP
    keeping: Keeping | None = None


class Known:
    """What was found last, by domain and local key, for as long as no row of any domain is written: each message asks
    for its recipient, and finding him in the store is 3 % of it."""

    __slots__ = ("_as_of", "_found")

    def __init__(self) -> None:
        self._as_of = -1
        self._found: dict[tuple[str, str], Found] = {}

    def get(self, domain: str, local: str, as_of: int) -> Found | None:
        """``as_of``: see ``Engine.domain_writes``."""
        if as_of != self._as_of or len(self._found) >= _REMEMBERED:
            self._found.clear()
            self._as_of = as_of
        return self._found.get((domain, local))

    def put(self, domain: str, local: str, found: Found) -> None:
        self._found[domain, local] = found


@dataclass(frozen=True, slots=True)
class Resolver:
    """``served``: the domain of a name, which may be another name of it; None where it is not served here.

    ``operator``: who gets postmaster's mail of a domain that has nobody.
    """

    engine: Engine
    clock: Clock
    served: Callable[[str], DomainRow | None]
    operator: tuple[str, ...] = ()
    known: Known = field(default_factory=Known)

    def resolve(self, address: Address) -> Resolution:
        """By what is known now."""
        domain = self.served(address.domain)
        if domain is None:
            return Resolution(standing=Standing.ELSEWHERE, domain=None, accounts=(), relay=False)
        local = address.local_key
        found = self.look(domain, local)
        relay = found.place.relay
        walk = _Walk(self, domain, relay=relay)
        walk.follow(f"{local}@{domain.name}", found)
        if not relay and local in ROLE_LOCALS:
            for targets in self._roles(domain):
                if walk.accounts or walk.forwards:
                    break
                walk.follow(f"{local}@{domain.name}", Found(Standing.LISTED, targets=targets))
        # Where nothing is kept of what is handed on, it is kept in nobody's mailbox.
        nothing = relay and found.keeping is None
        return Resolution(
            standing=found.standing,
            domain=domain,
            accounts=() if nothing else tuple(walk.accounts.values()),
            relay=relay,
            up=found.state is State.UP,
            keeping=found.keeping,
            destination=found.place.destination or domain.name,
            keepings={number: kept for number, kept in walk.keepings.items() if kept != found.keeping},
            forwards=tuple(walk.forwards.values()),
        )

    def stands_for(self, address: Address, account: Account) -> bool:
        """Whether ``address`` is a name of ``account``, be it of others, too. By a catch-all nobody has one."""
        domain = self.served(address.domain)
        if domain is None:
            return False
        found = self.look(domain, address.local_key)
        walk = _Walk(self, domain, relay=found.place.relay)
        walk.follow(f"{address.local_key}@{domain.name}", found)
        return found.named and account.id in walk.owners

    def names(self, domain: DomainRow, local: str) -> tuple[str, ...]:
        """The local keys of which what is said counts for ``local``, the first of which something is: itself, and what
        comes before its ``+`` unless it is listed itself."""
        base = self._base(domain, local)
        if not base:
            return (local,)
        listed = self.engine.read(
            keys.domain_scope(domain.name),
            lambda snap: aliases.get_alias(snap, local) is not None or domains.get_recipient(snap, local) is not None,
        )
        return (local,) if listed else (local, base)

    def canonical(self, address: Address) -> Address:
        """``address`` in its domain's own name."""
        domain = self.served(address.domain)
        return address if domain is None else Address(local=address.local, domain=domain.name)

    def look(self, domain: DomainRow, local: str) -> Found:
        """What is known of the local key ``local``, aliases not followed."""
        if domain.recipients == "ask":
            # What a primary said holds for a time only.
            return self._find(domain, local)
        found = self.known.get(domain.name, local, self.engine.domain_writes())
        if found is None:
            found = self._find(domain, local)
            self.known.put(domain.name, local, found)
        return found

    def _find(self, domain: DomainRow, local: str) -> Found:
        base = self._base(domain, local)

        def read(snap: Snapshot) -> Found:
            for name in (local, base) if base else (local,):
                alias, row = aliases.get_alias(snap, name), domains.get_recipient(snap, name)
                place = place_of(snap, domain, name)
                if alias is None and row is None and not place.apart:
                    continue
                standing = Standing.LISTED
                if name != local and domain.recipients == "ask" and place.relay and not place.apart:
                    # The primary need not know what we make of it.
                    standing = self._asked(snap, local)
                return Found(
                    standing,
                    account_id=row.account_id if row is not None else 0,
                    targets=alias.targets if alias is not None else (),
                    named=True,
                    place=place,
                    state=_state(snap, place),
                    keeping=kept_for(snap, domain, name),
                )
            place = place_of(snap, domain, local)
            keeping, state = kept_for(snap, domain, local), _state(snap, place)
            everybody = aliases.get_alias(snap, "") if local not in ROLE_LOCALS else None
            return Found(
                self._unlisted(snap, domain, local, place) if everybody is None else Standing.ANY,
                targets=everybody.targets if everybody is not None else (),
                place=place,
                state=state,
                keeping=keeping,
            )

        return self.engine.read(keys.domain_scope(domain.name), read)

    def _base(self, domain: DomainRow, local: str) -> str:
        """What comes before the ``+``; empty where that is all of it, or does not count."""
        return local.partition("+")[0] if "+" in local[1:] and switch(domain, PLUS) else ""

    def _unlisted(self, snap: Snapshot, domain: DomainRow, local: str, place: Place) -> Standing:
        if local in ROLE_LOCALS:
            return Standing.LISTED
        if domain.recipients == "any" and (place.relay or not domain.primaries):
            return Standing.ANY
        if domain.recipients == "listed" or not place.relay:
            return Standing.UNKNOWN
        return self._asked(snap, local)

    def _asked(self, snap: Snapshot, local: str) -> Standing:
        asked = domains.get_asked(snap, local)
        if outages.state(snap) in OUTAGE:
            # What was learned stays as it was; a no may be the first sign of what went wrong there.
            return Standing.LISTED if asked is not None and asked.good else Standing.ASK
        if asked is None or asked.until <= self.clock.now():
            return Standing.ASK
        return Standing.LISTED if asked.good else Standing.UNKNOWN

    def _roles(self, domain: DomainRow) -> Iterator[tuple[str, ...]]:
        """Who gets postmaster's mail of a domain without a primary, the first who can."""
        yield (domain.settings.get("contact", ""),)

        def first_user(snap: Snapshot) -> str:
            users = sorted((row.created, row.account_id, row.local) for _, row in domains.recipients(snap))
            known = [local for _, number, local in users if number]
            return str(Address(local=known[0], domain=domain.name)) if known else ""

        yield (self.engine.read(keys.domain_scope(domain.name), first_user),)
        yield self.operator


def resolver(engine: Engine, clock: Clock) -> Resolver:
    """Of all that is served, for who works beside the server."""

    def served(name: str) -> DomainRow | None:
        try:
            return aliases.served_as(engine, domain_key(name))
        except BadInput:
            return None

    return Resolver(engine=engine, clock=clock, served=served)


class _Walk:
    """From one address to all that it stands for; each address is visited once, so that nothing circles."""

    def __init__(self, resolver: Resolver, first: DomainRow, *, relay: bool) -> None:
        """``relay``: what was written is handed on, and only mailboxes are looked for."""
        self._resolver = resolver
        self._first = first
        self._relay = relay
        self._seen: set[str] = set()
        self.accounts: dict[int, Account] = {}
        self.keepings: dict[int, Keeping] = {}
        self.owners: set[int] = set()
        """Whose it is, mailbox or not."""
        self.forwards: dict[str, Address] = {}

    def follow(self, key: str, found: Found, depth: int = 1) -> None:
        self._seen.add(key)
        if not found.targets:
            self._mailbox(found)
        for text in found.targets:
            try:
                self._target(Address.parse(text), key, found, depth)
            except BadInput:
                continue

    def _target(self, target: Address, parent: str, alias: Found, depth: int) -> None:
        domain = self._resolver.served(target.domain)
        full = len(self._seen) + len(self.forwards) >= MOST_ADDRESSES
        if domain is None:
            if not self._relay and not full:
                self.forwards.setdefault(target.key, target)
            return
        key = f"{target.local_key}@{domain.name}"
        if key == parent:
            # Who names himself keeps his own.
            self._mailbox(alias)
            return
        if key in self._seen or depth > MOST_DEPTH or full:
            return
        found = self._resolver.look(domain, target.local_key)
        if self._relay and domain.tenant != self._first.tenant:
            # Its copies would lie in the mailboxes of people who have nothing to do with this domain.
            return
        if found.place.relay and not self._relay:
            self._seen.add(key)
            self.forwards.setdefault(f"{target.local_key}@{target.domain_key}", target)
            return
        self.follow(key, found, depth + 1)

    def _mailbox(self, found: Found) -> None:
        if not found.account_id:
            return
        account = self._resolver.engine.read(keys.user_scope(found.account_id), accounts.get_account)
        if account is None or account.kind == "list":
            return
        self.owners.add(account.id)
        if found.keeping is not None:
            self.accounts[account.id] = account
            self.keepings.setdefault(account.id, found.keeping)


def _state(snap: Snapshot, place: Place) -> State:
    return outages.state(snap) if place.relay and not place.apart else State.UP
