"""Device passwords: one for each phone or program of a user, made here, shown once, revoked one by one.

Owns their making, listing and revoking. What one opens is asked by ``login``, through ``device_logins``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from xtramail.directory import passwords
from xtramail.directory.desk import Change, Desk
from xtramail.directory.keyring import Keyring
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, LimitReached, NoSuchAccount, NotPermitted
from xtramail.model.secret import Secret
from xtramail.store import accounts, devices, keys
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.records import Device, DeviceUse

SCOPES = {"imap": "imap", "pop": "pop3", "smtp": "submission"}
"""How people name what a device password opens, and the service that it is."""
MOST = 100
"""Devices of one user: more are forgotten ones."""
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A device password as it is shown: all but the password."""

    device: Device
    use: DeviceUse | None


async def add(
    desk: Desk,
    address: Address,
    keyring: Keyring,
    *,
    name: str,
    scopes: Collection[str] = tuple(SCOPES),
    expires: float = 0.0,
) -> Secret:
    """The new password of 100 random bits, which is kept nowhere. Durable when this returns.

    ``scopes`` are keys of SCOPES, ``expires`` seconds since 1970 (0: never). NoSuchAccount; NotPermitted for a list;
    BadInput, AlreadyExists, LimitReached.
    """
    label = check_name(name)
    services = check_scopes(scopes)
    now = desk.now()
    if expires and expires <= now:
        raise BadInput("expires: a time that is still to come")
    account = desk.account(address, Role.USER)
    desk.require_person("device add")
    if account.kind == "list":
        raise NotPermitted(f"{account.address} is a list: nobody logs in to it")
    made = passwords.generate()
    mark = passwords.device_mark(made, keyring.keys[keyring.current])
    row = Device(name=label, services=services, created=now, key_id=keyring.current, expires=expires)

    def put(txn: Txn) -> None:
        if accounts.get_account(txn) is None:
            raise NoSuchAccount(f"user {address.key} does not exist; see: xtramail user list")
        there = devices.devices(txn)
        if any(one.name.casefold() == label.casefold() for _, one in there):
            raise AlreadyExists(
                f"{account.address} has a device {label!r}; name this one otherwise, or revoke that one first: "
                f"xtramail device revoke {account.address} NAME"
            )
        if len(there) >= MOST:
            raise LimitReached(f"{account.address} has {MOST} devices; revoke those that are not used any more")
        devices.put(txn, mark, row)

    told = Change("device add", address.key, address.domain_key, after=_told(row))
    await desk.change(told, [(keys.user_scope(account.id), put)])
    return made


def of_user(desk: Desk, address: Address) -> list[Known]:
    """Oldest first. NoSuchAccount."""
    account = desk.account(address, Role.USER)
    rows = desk.engine.read(keys.user_scope(account.id), devices.devices)

    def known(snap: Snapshot) -> list[Known]:
        return [Known(device=row, use=devices.last_use(snap, account.id, mark)) for mark, row in rows]

    return desk.engine.read(keys.LOGINS, known)


async def revoke(desk: Desk, address: Address, name: str) -> Device:
    """Durable when this returns; sessions of the device end within a second. NoSuchAccount for an unknown name."""
    account = desk.account(address, Role.USER)
    rows = desk.engine.read(keys.user_scope(account.id), devices.devices)
    found = [(mark, row) for mark, row in rows if row.name.casefold() == name.strip().casefold()]
    if not found:
        raise NoSuchAccount(f"{account.address} has no device {name!r}; see: xtramail device list {account.address}")
    mark, device = found[0]
    told = Change("device revoke", address.key, address.domain_key, before=_told(device))
    await desk.change(
        told,
        [
            (keys.user_scope(account.id), lambda txn: devices.delete(txn, mark)),
            (keys.LOGINS, lambda txn: devices.forget_use(txn, account.id, mark)),
        ],
    )
    return device


async def revoke_all(desk: Desk, address: Address) -> int:
    """As :func:`revoke`, of every device of a user; how many there were."""
    account = desk.account(address, Role.USER)
    told = Change("device revoke", address.key, address.domain_key)

    def take(txn: Txn) -> int:
        there = devices.devices(txn)
        told.before = {"devices": ", ".join(row.name for _, row in there)}
        told.after = {"devices": ""}
        return devices.delete_all(txn)

    results = await desk.change(
        told,
        [(keys.user_scope(account.id), take), (keys.LOGINS, partial(devices.forget_use, account_id=account.id))],
    )
    count: int = results[0]
    return count


def _told(device: Device) -> dict[str, str | int | float | bool | None]:
    return {"name": device.name, "services": ",".join(device.services), "expires": device.expires}


def check_name(name: str) -> str:
    """As it is kept; BadInput."""
    label = " ".join(name.split())
    if not label or len(label) > LONGEST_NAME or not label.isprintable():
        raise BadInput(f"name: one line of 1 to {LONGEST_NAME} characters, such as \"Ann's iPhone\"")
    return label


def check_scopes(scopes: Collection[str]) -> tuple[str, ...]:
    """The services that ``scopes`` stand for; BadInput."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadInput(f"scope {', '.join(unknown)!r}: one or more of {','.join(SCOPES)}")
    return tuple(service for scope, service in SCOPES.items() if scope in scopes)
