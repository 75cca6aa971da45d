"""Hosts that carry what a domain's people send to the world, beside its smarthost (``route add --out``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from msgspec.structs import replace

from xtramail.directory.domains import host_text
from xtramail.directory.outbound import PORT
from xtramail.directory.route_words import MOST, When, read
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, stale
from xtramail.model.actor import Role
from xtramail.model.address import domain_key
from xtramail.model.host import parse_host
from xtramail.model.secret import Secret
from xtramail.store import domains, keys
from xtramail.store.engine import Txn
from xtramail.store.records import OutboundRow


class CarrierState(Row, frozen=True):
    domain: str
    host: str
    priority: int = 10
    when: str = "always"
    login: str = ""
    password: str = ""


class Carriers(Kind[CarrierState]):
    name = "outbound"
    doc = "hosts that carry what a domain's people send, beside its smarthost"
    row = CarrierState
    keys = ("domain", "host")
    secrets = frozenset({"password"})
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[CarrierState]:
        for domain in world.domains:
            for one in domain.outbound:
                yield CarrierState(
                    domain=domain.name,
                    host=host_text(one.host, one.port),
                    priority=one.priority,
                    when=one.when,
                    login=one.user,
                    password=one.password,
                )

    def key(self, row: CarrierState) -> str:
        return f"{domain_key(row.domain)} {host_text(*parse_host(row.host, PORT))}"

    def domain(self, row: CarrierState) -> str:
        return domain_key(row.domain)

    def regular(self, row: CarrierState, says: Says) -> CarrierState:
        secret = Secret(row.password) if row.password else None
        says.made(
            "",
            lambda host: read(host, out=True, when=row.when, priority=row.priority, login=row.login, password=secret),
            row.host,
            None,
        )
        return replace(row, domain=domain_key(row.domain), host=host_text(*parse_host(row.host, PORT)))

    def check(self, row: CarrierState, before: CarrierState | None, world: World, says: Says) -> None:
        if not world.serves(row.domain):
            says.wrong("domain", f"{row.domain} is not served here; add it first, or to the file")
        if before is None:
            world.check_hops("host", (parse_host(row.host, PORT),), says)
        if sum(one.domain == row.domain for one in world.after(self.name).values()) > MOST:
            says.wrong("host", f"{row.domain} may have {MOST} such hosts; leave some out")

    def write(self, before: CarrierState | None, after: CarrierState | None, work: Work) -> None:
        either = after or before or CarrierState(domain="", host="")
        host, port = parse_host(either.host, PORT)

        def put(txn: Txn) -> None:
            row = domains.get_domain(txn)
            if row is None:
                raise stale()
            made = list(row.outbound)
            there = next((at for at, one in enumerate(made) if (one.host, one.port) == (host, port)), None)
            if after is None:
                made[there : None if there is None else there + 1] = []
            else:
                one = OutboundRow(
                    host=host,
                    port=port,
                    priority=after.priority,
                    when=cast(When, after.when),
                    user=after.login,
                    password=after.password,
                )
                if there is None:
                    made.append(one)
                else:
                    made[there] = one
            domains.put_domain(txn, replace(row, outbound=tuple(made)))

        work.part(keys.domain_scope(domain_key(either.domain)), put)
        work.part(keys.DOMAIN_CHANGES, domains.settings_changed)
