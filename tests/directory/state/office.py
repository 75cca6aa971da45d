"""Servers to export from and to bring documents to: memory engines, one set clock, keys as they are brought over."""

from __future__ import annotations

import json
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
    passwords,
    relay_accounts,
    route_words,
    routes,
    senders,
    tenants,
    tokens,
    totp,
    users,
)
from xtramail.directory.desk import Desk
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.state.apply import apply_plan
from xtramail.directory.state.catalogue import BY_NAME, KINDS
from xtramail.directory.state.csv_files import csv_lines, read_csv
from xtramail.directory.state.document import document, read_document
from xtramail.directory.state.entry import Read
from xtramail.directory.state.new_passwords import Generated, with_passwords
from xtramail.directory.state.plan import BadState, Plan, make_plan, silent
from xtramail.directory.state.worlds import export_world, kinds_of, plan_world
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import schema
from xtramail.store.engine import Engine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import Account

KEY = bytes(range(32))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))
OTHER = Keyring(keys={key_id(b"o" * 32): b"o" * 32}, current=key_id(b"o" * 32))
COST = 4


class Office:
    """One server."""

    def __init__(self, *, keyring: Keyring = KEYRING, engine: Engine | None = None) -> None:
        self.engine: Any = engine if engine is not None else MemoryEngine()
        self.clock = SetClock()
        self.keyring = keyring
        self.desk: Desk = operator(self.engine, self.clock)
        schema.open_format(self.engine)

    def export(self, *, domain: str = "", secrets: bool = True, desk: Desk | None = None) -> str:
        world = export_world(desk or self.desk, self.keyring, domain=domain, secrets=secrets)
        return "".join(document(world, kinds_of(world), domain=world.only, secrets=secrets))

    def csv(self, kind: str, *, secrets: bool = True) -> str:
        world = export_world(self.desk, self.keyring, secrets=secrets)
        return "".join(csv_lines(world, BY_NAME[kind], secrets=secrets))

    def plan(self, read: Read, *, remove_missing: bool = False, desk: Desk | None = None) -> Plan:
        world = plan_world(desk or self.desk, self.keyring, only=read.domain)
        return make_plan(world, read, KINDS, remove_missing=remove_missing)

    def apply(self, text: str, *, remove_missing: bool = False, desk: Desk | None = None) -> Plan:
        plan = self.plan(read_document(text.encode(), BY_NAME), remove_missing=remove_missing, desk=desk)
        self.carry_out(plan)
        return plan

    def apply_rows(self, *, remove_missing: bool = False, **kinds: list[dict[str, Any]]) -> Plan:
        return self.apply(json.dumps({"format": 1, **kinds}), remove_missing=remove_missing)

    def read(self, kind: str, text: str) -> Plan:
        plan = self.plan(read_csv(text.encode(), BY_NAME[kind]))
        self.carry_out(plan)
        return plan

    def carry_out(self, plan: Plan) -> Generated:
        finished, generated = with_passwords(plan, COST, silent)
        drive(apply_plan(finished, progress=silent))
        return generated

    def refused(self, text: str | bytes, *, remove_missing: bool = False) -> str:
        """Why a document is not done; AssertionError where something was written all the same."""
        octets = text.encode() if isinstance(text, str) else text
        before = self.export()
        try:
            self.plan(read_document(octets, BY_NAME), remove_missing=remove_missing)
        except BadState as error:
            assert self.export() == before
            return error.text
        raise AssertionError("it was not refused")

    def refused_rows(self, **kinds: list[dict[str, Any]]) -> str:
        return self.refused(json.dumps({"format": 1, **kinds}))

    def user(self, address: str) -> Account:
        return self.desk.account(Address.parse(address))

    def verifies(self, address: str, password: str) -> bool:
        return passwords.verify(Secret(password), self.user(address).password, self.keyring)


def furnished(engine: Engine | None = None) -> Office:
    """One with at least one object of every kind, and with what is hard to write down."""
    office = Office(engine=engine)
    desk = office.desk
    drive(tenants.add_tenant(desk, "acme", note='Größe; "quoted", and more', contact="boss@elsewhere.example"))
    drive(domains.add_domain(desk, "office.example", tenant="acme", primaries=(("192.0.2.1", 25), ("2001:db8::1", 26))))
    drive(domains.add_domain(desk, "bücher.example", retention_days=90))
    settings = ("alert-webhook=https://hooks.example/x", "outage-faults=5", "contact=ann@office.example")
    changes = [domains.parse_change(*one.split("=", 1)) for one in settings]
    secret = domains.DomainChange(field="settings", value=("alert-secret", "s" * 32))
    drive(
        domains.set_domain(desk, "office.example", [*changes, secret, domains.parse_change("smarthost", "s.example")])
    )
    drive(relay_accounts.create(desk, "office.example", KEYRING))
    chosen = passwords.hash_chosen(Secret("correct horse"), KEYRING, COST)
    office.clock.advance(1.25)
    drive(users.add_user(desk, Address.parse("Ann@office.example"), password=chosen))
    made = passwords.hash_generated(Secret("abc"), KEYRING)
    drive(users.add_user(desk, Address.parse('"o\'dd, =ö"@bücher.example'), password=made, quota=0))
    drive(users.add_user(desk, Address.parse("all@office.example"), kind="list"))
    drive(
        users.add_user(desk, Address.parse("dee@office.example"), kind="discovered", reason="the primary accepted it")
    )
    ann = Address.parse("ann@office.example")
    drive(users.set_password(desk, ann, chosen, temporary=True))
    drive(
        users.set_user(
            desk, ann, hidden="IDLE,MOVE", outside="ann@private.example", status="disabled", own={"send-rate": "77"}
        )
    )
    office.clock.advance(100.5)
    until = office.clock.now() + 1000
    drive(devices.add(desk, ann, KEYRING, name="Ann's =phone", scopes=("pop", "imap"), expires=until))
    drive(devices.add(desk, ann, KEYRING, name="laptop"))
    enrolled = drive(totp.start(desk, ann, KEYRING))
    drive(totp.confirm(desk, ann, code_of(enrolled.secret.reveal(), office.clock.now()), KEYRING))
    drive(mirrors.add_mirror(desk, "office.example", into="ann@office.example", days=7))
    drive(mirrors.add_mirror(desk, "dee@office.example", days=99))
    drive(aliases.add_alias(desk, "sales@office.example", ["ann@office.example", "out@elsewhere.example"]))
    drive(aliases.add_alias(desk, "@bücher.example", ["sales@office.example"]))
    drive(domain_aliases.add_domain_alias(desk, "büro.example", "office.example"))
    drive(blocks.block(desk, ann, "sent too much, says Bob"))
    drive(senders.add_sender(desk, "*@office.example", ["ann@office.example"]))
    drive(routes.add_route(desk, "office.example", route_words.read("out.example", out=True, when="up", priority=5)))
    drive(routes.add_route(desk, "office.example", route_words.read("third.example", priority=10)))
    drive(routes.add_route(desk, "office.example", route_words.read("far.example", user="zoe@office.example")))
    drive(dkim_keys.create(desk, "office.example", KEYRING, algorithm="ed25519"))
    drive(dkim_keys.create(desk, "büro.example", KEYRING, algorithm="ed25519"))
    drive(admins.add_admin(desk, "tim@acme.example", role="tenant-admin", tenant="acme", password=chosen))
    drive(tokens.add_token(desk, KEYRING, label="billing", owner="tim@acme.example", domains=["office.example"]))
    return office


def code_of(seed: str, now: float) -> str:
    return pyotp.TOTP(seed).at(int(now))
