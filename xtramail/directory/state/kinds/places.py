"""Single addresses that live at other hosts than their domain's, or here (``route add --user``)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from xtramail.directory.domains import host_text
from xtramail.directory.places import STEP
from xtramail.directory.route_words import HERE, HIGHEST, MOST
from xtramail.directory.state.kind import Kind, Row, Says, Work, World
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.host import parse_host
from xtramail.store import domains, keys, places
from xtramail.store.engine import Txn
from xtramail.store.places import PlaceRow


class PlaceState(Row, frozen=True):
    address: str
    hosts: tuple[str, ...] = ()
    """``HOST:PORT=PRIORITY``, in the order in which they are tried; ``here``: it is handed to nobody."""
    created: str = ""


class Places(Kind[PlaceState]):
    name = "places"
    doc = "single addresses that live at other hosts than their domain's, or here"
    row = PlaceState
    keys = ("address",)
    role = Role.OPERATOR

    def read(self, world: World) -> Iterator[PlaceState]:
        for domain in world.domains:
            for place in world.desk.engine.read(keys.domain_scope(domain.name), places.places):
                yield PlaceState(
                    address=str(Address(local=place.local, domain=domain.name)),
                    hosts=tuple(_text(one) for one in place.hosts) or (HERE,),
                    created=moment_text(place.created),
                )

    def key(self, row: PlaceState) -> str:
        return Address.parse(row.address).key

    def domain(self, row: PlaceState) -> str:
        return Address.parse(row.address).domain_key

    def regular(self, row: PlaceState, says: Says) -> PlaceState:
        says.made("created", read_moment, row.created, 0.0)
        if not 1 <= len(row.hosts) <= MOST or (HERE in row.hosts and len(row.hosts) > 1):
            says.wrong("hosts", f"1 to {MOST} hosts, or {HERE} alone")
        if row.hosts == (HERE,):
            return row
        found = [says.made("hosts", _read, one, ("", 25, STEP)) for one in row.hosts]
        return replace(row, hosts=tuple(_text(one) for one in sorted(found, key=lambda one: one[2])))

    def check(self, row: PlaceState, before: PlaceState | None, world: World, says: Says) -> None:
        name = self.domain(row)
        domain = world.after("domains").get(name)
        if domain is None:
            says.wrong("address", f"domain {name} is not served here; add it first, or to the file")
        known = () if before is None else before.hosts
        world.check_hops("hosts", (_read(one)[:2] for one in row.hosts if one != HERE and one not in known), says)
        user = world.after("users").get(self.key(row))
        if row.hosts == (HERE,) and (user is None or user.type == "list"):
            says.wrong("hosts", f"{HERE}: there is no user {row.address} with a mailbox; add him first, or to the file")

    def write(self, before: PlaceState | None, after: PlaceState | None, work: Work) -> None:
        address = Address.parse((after or before or PlaceState(address="")).address)

        def put(txn: Txn) -> None:
            if after is None:
                places.delete_place(txn, address.local_key)
                return
            standing = places.get_place(txn, address.local_key)
            hosts = () if after.hosts == (HERE,) else tuple(_read(one) for one in after.hosts)
            created = kept_moment(after.created, 0.0 if standing is None else standing.created) or work.now
            places.put_place(txn, address.local_key, PlaceRow(local=address.local, hosts=hosts, created=created))

        work.part(keys.domain_scope(address.domain_key), put)
        work.part(keys.DOMAIN_CHANGES, domains.settings_changed)


def _text(one: tuple[str, int, int]) -> str:
    host, port, priority = one
    return f"{host_text(host, port)}={priority}"


def _read(text: str) -> tuple[str, int, int]:
    host, equals, number = text.partition("=")
    if equals and not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) <= HIGHEST):
        raise BadInput(f"{text!r}: write HOST:PORT=PRIORITY, a number from 0 to {HIGHEST}")
    return (*parse_host(host), int(number) if equals else STEP)
