"""Device passwords, by their keyed hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from msgspec.structs import replace

from xtramail.directory.devices import SCOPES, check_name, check_scopes
from xtramail.directory.state.given_passwords import missing_key
from xtramail.directory.state.kind import Kind, Row, Says, Work, World, is_hex
from xtramail.directory.state.moments import moment_text, read_moment
from xtramail.directory.users import users_of
from xtramail.model.address import Address
from xtramail.store import devices, keys
from xtramail.store.engine import Txn
from xtramail.store.records import Device

_OCTETS = 32
"""Of a mark."""


class DeviceState(Row, frozen=True):
    address: str
    name: str
    scope: tuple[str, ...] = tuple(SCOPES)
    mark: str = ""
    """Keyed hash of the password, hexadecimal."""
    key_id: str = ""
    created: str = ""
    expires: str = ""


class Devices(Kind[DeviceState]):
    name = "devices"
    doc = "device passwords"
    row = DeviceState
    keys = ("address", "name")
    secrets = frozenset({"mark"})
    is_secret = True

    def read(self, world: World) -> Iterator[DeviceState]:
        scopes = {service: scope for scope, service in SCOPES.items()}
        for domain in world.domains:
            for account in users_of(world.desk.engine, domain.name):
                for mark, device in world.desk.engine.read(keys.user_scope(account.id), devices.devices):
                    yield DeviceState(
                        address=account.address,
                        name=device.name,
                        scope=tuple(scopes[service] for service in device.services),
                        mark=mark.hex(),
                        key_id=device.key_id,
                        created=moment_text(device.created),
                        expires=moment_text(device.expires),
                    )

    def key(self, row: DeviceState) -> str:
        return f"{Address.parse(row.address).key} {check_name(row.name).casefold()}"

    def domain(self, row: DeviceState) -> str:
        return Address.parse(row.address).domain_key

    def regular(self, row: DeviceState, says: Says) -> DeviceState:
        none: tuple[str, ...] = ()
        services = says.made("scope", lambda _: check_scopes(row.scope), "", none)
        for name in ("created", "expires"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        if not is_hex(row.mark, 2 * _OCTETS):
            says.wrong("mark", f"{2 * _OCTETS} hexadecimal digits, as export --with-secrets writes them")
        return replace(row, name=check_name(row.name), scope=tuple(s for s in SCOPES if SCOPES[s] in services))

    def check(self, row: DeviceState, before: DeviceState | None, world: World, says: Says) -> None:
        user = world.after("users").get(Address.parse(row.address).key)
        if user is None or user.type == "list":
            says.wrong("address", f"there is no user {row.address} who could log in; add him first, or to the file")
        if row.key_id not in world.keyring.keys:
            says.wrong("key_id", missing_key(row.key_id))
        marks = world.once("device marks", lambda: Counter(map(_mark, world.after(self.name).values())))
        if marks[_mark(row)] > 1:
            says.wrong("mark", f"{row.address} has another device with the same one; take one of them out")

    def write(self, before: DeviceState | None, after: DeviceState | None, work: Work) -> None:
        either = after or before or DeviceState(address="", name="")
        address = Address.parse(either.address).key
        account_id = work.account_id(address)
        scope = keys.user_scope(account_id)
        if before is not None and (after is None or after.mark != before.mark):
            mark = bytes.fromhex(before.mark)
            work.part(scope, partial(_delete, mark))
            work.part(keys.LOGINS, lambda txn: devices.forget_use(txn, account_id, mark))
        if after is not None:
            work.part(scope, partial(_put, after, work.now))


def _mark(row: DeviceState) -> tuple[str, str]:
    return Address.parse(row.address).key, row.mark


def _delete(mark: bytes, txn: Txn) -> None:
    devices.delete(txn, mark)


def _put(row: DeviceState, now: float, txn: Txn) -> None:
    device = Device(
        name=row.name,
        services=check_scopes(row.scope),
        created=read_moment(row.created) or now,
        key_id=row.key_id,
        expires=read_moment(row.expires),
    )
    devices.put(txn, bytes.fromhex(row.mark), device)
