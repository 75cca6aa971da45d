"""A directory with two tenants, and everybody who may ask for something in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pyotp

from tests.desks import operator
from xtramail.directory import (
    admins,
    aliases,
    blocks,
    devices,
    dkim_keys,
    domain_aliases,
    domains,
    mirrors,
    relay_accounts,
    route_words,
    routes,
    senders,
    tenants,
    tokens,
    totp,
    users,
    verification,
)
from xtramail.directory.desk import Desk
from xtramail.directory.keyring import Keyring, key_id
from xtramail.model.actor import Actor, Role
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.store import keys, schema
from xtramail.store.memory_engine import MemoryEngine

KEY = bytes(range(32))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))

ACME, ZETA = "acme", "zeta"
ACORN, BIRCH, ZINNIA = "acorn.example", "birch.example", "zinnia.example"
"""The first two are acme's, the third is zeta's."""
ANN, BOB, CAL = (Address.parse(f"{name}@{ACORN}") for name in ("ann", "bob", "cal"))
"""Cal has two-step sign-in; Ann has begun it."""
TIM, DORA, ODA = (f"{name}@office.example" for name in ("tim", "dora", "oda"))
"""Acme's admin, Acorn's, and an operator."""
BEA, ZOE = "bea@office.example", "zoe@office.example"
"""Birch's admin, zeta's."""


@dataclass
class Offices:
    """``acorn`` and ``acme``: whether they are there, with all that is theirs."""

    acorn: bool = True
    acme: bool = True
    clock: SetClock = field(default_factory=SetClock)
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    ids: dict[str, Any] = field(default_factory=dict)
    """Ids that were made on the way, by what they are of."""
    seeds: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        schema.open_format(self.engine)
        desk = operator(self.engine, self.clock)
        for tenant in (ACME, ZETA) if self.acme else (ZETA,):
            drive(tenants.add_tenant(desk, tenant))
        self._domain(desk, ZINNIA, ZETA)
        if self.acme:
            self._domain(desk, BIRCH, ACME)
        if self.acorn and self.acme:
            self._domain(desk, ACORN, ACME)
            self._fill(desk)
        self._people(desk)
        self.clock.advance(300)

    def _domain(self, desk: Desk, name: str, tenant: str) -> None:
        drive(domains.add_domain(desk, name, tenant=tenant, primaries=((f"mx.{name}", 25),), recipients="listed"))

    def _fill(self, desk: Desk) -> None:
        for address in (ANN, BOB, CAL):
            drive(users.add_user(desk, address, password="{XTRA-HMAC}x$y"))
            drive(devices.add(desk, address, KEYRING, name="phone"))
        for address in (ANN, CAL):
            self.seeds[address.key] = drive(totp.start(desk, address, KEYRING)).secret.reveal()
        drive(totp.confirm(desk, CAL, self.code(CAL), KEYRING))
        drive(mirrors.add_mirror(desk, ACORN, into=BOB.key))
        drive(relay_accounts.create(desk, ACORN, KEYRING))
        drive(aliases.set_alias(desk, f"sales@{ACORN}", [ANN.key, BOB.key]))
        drive(senders.add_sender(desk, f"news@{ACORN}", [ANN.key]))
        drive(routes.add_route(desk, ACORN, route_words.read("second.acorn.example")))
        drive(domain_aliases.add_domain_alias(desk, "eichel.example", ACORN))
        drive(dkim_keys.create(desk, ACORN, KEYRING, selector="one", algorithm="ed25519"))
        drive(blocks.block(desk, BOB, "test"))
        token = drive(tokens.add_token(self.user(ANN), KEYRING, label="mine", write=True))[0]
        self.ids["user token"] = token.id

    def _people(self, desk: Desk) -> None:
        drive(admins.add_admin(desk, ODA, role=Role.OPERATOR))
        drive(admins.add_admin(desk, ZOE, role=Role.TENANT, tenant=ZETA))
        if self.acme:
            drive(admins.add_admin(desk, TIM, role=Role.TENANT, tenant=ACME))
            drive(admins.add_admin(desk, BEA, role=Role.DOMAIN, domains=[BIRCH]))
            token = drive(tokens.add_token(self.admin(TIM), KEYRING, label="billing"))[0]
            self.ids["tenant token"] = token.id
        if self.acorn and self.acme:
            drive(admins.add_admin(desk, DORA, role=Role.DOMAIN, domains=[ACORN]))
            token = drive(tokens.add_token(self.admin(DORA), KEYRING, label="acorns"))[0]
            self.ids["acorn token"] = token.id

    def code(self, address: Address) -> str:
        """What the phone of a user shows."""
        return pyotp.TOTP(self.seeds.get(address.key, "A" * 32)).at(int(self.clock.now()))

    def proof(self) -> str:
        """What Acorn's owner would publish."""
        desk = operator(self.engine, self.clock)
        served = any(row.name == ACORN for row in desk.domains())
        return verification.challenge_of(desk, ACORN, KEYRING).value if served else ""

    def drill(self) -> int:
        """Id of the one that was begun now."""
        return keys.micros(self.clock.now())

    def desk(self, actor: Actor) -> Desk:
        return Desk(self.engine, actor, self.clock)

    def admin(self, name: str) -> Desk:
        """As who logged in."""
        return self.desk(admins.actor_of(admins.find_admin(operator(self.engine, self.clock), name), "login"))

    def user(self, address: Address) -> Desk:
        return self.desk(Actor(role=Role.USER, name=address.key, how="login", address=address.key))

    def reader(self) -> Desk:
        """An operator's token that may only look."""
        actor = self.admin(ODA).actor
        return self.desk(replace(actor, how="token 1", read_only=True))


def everything(engine: MemoryEngine) -> list[tuple[int, bytes, bytes, bytes]]:
    """Every row of a store."""
    return [
        (bucket, scope, key, value)
        for scope in engine.scopes(b"")
        for bucket in (0, *engine.buckets())
        for key, value in engine.read(scope, lambda snap, b=bucket: snap.range(b, b"\x00", b"\xff" * 200))  # type: ignore[misc]
    ]
