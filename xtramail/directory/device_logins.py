"""Device passwords at a login: which one it is, and when it was last used.

The look-up is exact, by the keyed hash under the account: no walk and no slow hash, as 100 random bits need none. The
same work for an account that is not there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from xtramail.directory import passwords
from xtramail.directory.keyring import Keyring
from xtramail.model.clock import Clock
from xtramail.model.peer import Peer
from xtramail.model.secret import Secret
from xtramail.store import devices, keys
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import Account, Device, DeviceUse

EVERY = 60.0
"""Seconds between two writes about one device."""
LONGEST_CLIENT = 100
_ENTRIES = 100_000
_NOBODY = 0
"""An account id that no user has."""


@dataclass(frozen=True, slots=True)
class Found:
    mark: bytes
    device: Device


class DeviceLogins:
    """What ``login.Login`` asks about devices."""

    def __init__(self, engine: Engine, keyring: Keyring, clock: Clock) -> None:
        self._engine = engine
        self._keys = tuple(keyring.keys.values())
        self._clock = clock
        self._written: OrderedDict[tuple[bytes, bool], float] = OrderedDict()
        """When (monotonic) the use of a device was last written down: without, and with the program's name, which some
        tell only after their login."""
        self._ending: dict[bytes, tuple[int, float]] = {}
        """Account and end of each device that came and has one: nobody commits anything when that time comes."""

    async def end_expired(self) -> None:
        """Wake the sessions of devices that have expired since they came: they see for themselves. Errors of the store
        pass through, and it is tried again."""
        now = self._clock.now()
        for mark, (account_id, expires) in list(self._ending.items()):
            if expires <= now:
                await self._engine.transact(keys.user_scope(account_id), partial(devices.touch, mark=mark))
                self._ending.pop(mark, None)

    def find(self, account: Account | None, secret: Secret) -> Found | None:
        """The device of ``account`` whose password it is; None for any other password."""
        marks = [passwords.device_mark(secret, key) for key in self._keys]

        def look(snap: Snapshot) -> Found | None:
            rows = [(mark, devices.get(snap, mark)) for mark in marks]
            return next((Found(mark, row) for mark, row in rows if row is not None), None)

        known = account is not None and account.kind != "relay"
        return self._engine.read(keys.user_scope(account.id if account and known else _NOBODY), look)

    def used(self, account: Account, peer: Peer, service: str, client: str = "") -> None:
        """``account`` has come by its device; written at most once a minute (and once more for ``client``), waited for
        by nobody.

        ``client``: what the program calls itself, where that is known.
        """
        now, mark = self._clock.monotonic(), account.device
        device = self._engine.read(keys.user_scope(account.id), partial(devices.get, mark=mark))
        if device is not None and device.expires:
            self._ending[mark] = account.id, device.expires
        key = mark, bool(client)
        last = self._written.get(key)
        if last is not None and now - last < EVERY:
            return
        self._written[key] = now
        self._written.move_to_end(key)
        if len(self._written) > _ENTRIES:
            self._written.popitem(last=False)
        fresh = DeviceUse(at=self._clock.now(), block=peer.block, service=service, client=_shown(client or peer.helo))

        def note(txn: Txn) -> None:
            before = devices.last_use(txn, account.id, mark)
            kept = fresh.client or (before.client if before is not None else "")
            devices.note_use(
                txn, account.id, mark, DeviceUse(at=fresh.at, block=fresh.block, service=service, client=kept)
            )

        self._engine.transact(keys.LOGINS, note)


def _shown(client: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in client)[:LONGEST_CLIENT]
