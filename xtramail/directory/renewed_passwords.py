"""Hashes of ours in the place of those that were imported from another server: written at the next good login."""

from __future__ import annotations

import hashlib
from functools import partial

from msgspec.structs import replace

from xtramail.directory import passwords
from xtramail.directory.desk import Change, Desk
from xtramail.model.actor import SERVER
from xtramail.model.address import Address
from xtramail.model.clock import Clock
from xtramail.store import accounts, keys
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import Account

RENEWED = "renewed-from"
"""Key among the settings of an account: of which hash of another server its own was made, see :func:`trace`."""


def trace(foreign: str, stored: str) -> str:
    """Binds two hashes of one password: who imports the first again is told that nothing is new. Opens nothing."""
    return hashlib.sha256(f"{foreign}\0{stored}".encode()).hexdigest()


class RenewedPasswords:
    """For ``Login(on_renewed=...)``. The password stays the same, and so does all that came by it."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._desk = Desk(engine, SERVER, clock)

    async def keep(self, account: Account, stored: str) -> None:
        """``stored`` is of the password that ``account`` came by; nothing where that was changed meanwhile."""
        told = Change("user rehash", Address.parse(account.address).key, Address.parse(account.address).domain_key)
        await self._desk.change(told, [(keys.user_scope(account.id), partial(_put, account, stored, told))])


def _put(account: Account, stored: str, told: Change, txn: Txn) -> None:
    current = accounts.get_account(txn)
    told.before = told.after = {}
    if current is None or current.password != account.password or not passwords.is_foreign(current.password):
        return
    told.before, told.after = {"password": "another server's"}, {"password": "set"}
    settings = {**current.settings, RENEWED: trace(current.password, stored)}
    accounts.put_account(txn, replace(current, password=stored, settings=settings))
