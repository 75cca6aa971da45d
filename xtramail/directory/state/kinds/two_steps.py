"""Two-step sign-in that is on: the seed sealed by a key of the server, and the marks of its recovery codes.

In the store a seed is sealed to the number of its account, which another server does not have; in a document it is
sealed to its address, so that a row moved to another user does not open.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from functools import partial

from msgspec.structs import replace

from xtramail.directory import sealing
from xtramail.directory.keyring import Keyring
from xtramail.directory.state.given_passwords import missing_key
from xtramail.directory.state.kind import Kind, Progress, Row, Says, Work, World, is_hex
from xtramail.directory.state.moments import moment_text, read_moment
from xtramail.directory.totp import STEP, sealed_to
from xtramail.directory.users import users_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store import accounts, keys, second_steps
from xtramail.store.engine import Txn
from xtramail.store.records import Account, TotpRow

_MARK = 32
"""Hexadecimal digits of a recovery code's mark."""


class TwoStepState(Row, frozen=True):
    address: str
    sealed: str = ""
    key_id: str = ""
    confirmed: str = ""
    recovery: tuple[str, ...] = ()
    """Marks of the codes that are left. Those that stand beside the same seed stay: none that was used comes back."""


class TwoSteps(Kind[TwoStepState]):
    name = "totp"
    doc = "two-step sign-in of users, sealed"
    row = TwoStepState
    keys = ("address",)
    secrets = frozenset({"sealed", "recovery"})
    moments = frozenset({"confirmed"})
    is_secret = True

    def read(self, world: World) -> Iterator[TwoStepState]:
        for domain in world.domains:
            for account in users_of(world.desk.engine, domain.name):
                row = world.desk.engine.read(keys.user_scope(account.id), second_steps.get)
                if row is None or not row.confirmed:
                    continue
                sealed = _exported(world.keyring, account, row)
                yield TwoStepState(
                    address=account.address,
                    sealed=base64.b64encode(sealed).decode("ascii"),
                    key_id=row.key_id,
                    confirmed=moment_text(row.confirmed),
                    recovery=tuple(mark.hex() for mark in row.recovery),
                )

    def key(self, row: TwoStepState) -> str:
        return Address.parse(row.address).key

    def domain(self, row: TwoStepState) -> str:
        return Address.parse(row.address).domain_key

    def settled(self, rows: Mapping[str, TwoStepState], world: World, progress: Progress) -> Mapping[str, TwoStepState]:
        standing: Mapping[str, TwoStepState] = world.standing(self.name)
        return {
            key: replace(row, recovery=standing[key].recovery)
            if key in standing and standing[key].sealed == row.sealed
            else row
            for key, row in rows.items()
        }

    def regular(self, row: TwoStepState, says: Says) -> TwoStepState:
        says.made("confirmed", read_moment, row.confirmed, 0.0)
        if not all(is_hex(mark, _MARK) for mark in row.recovery):
            says.wrong("recovery", f"{_MARK} hexadecimal digits each, as export --with-secrets writes them")
        return row

    def check(self, row: TwoStepState, before: TwoStepState | None, world: World, says: Says) -> None:
        user = world.after("users").get(Address.parse(row.address).key)
        if user is None or user.type != "user":
            says.wrong("address", f"there is no user {row.address} with a password; add him first, or to the file")
        if row.key_id not in world.keyring.keys:
            says.wrong("key_id", missing_key(row.key_id))
            return
        try:
            sealing.unseal(world.keyring, row.key_id, _octets(row), about=_about(row.address))
        except BadInput as error:
            says.wrong("sealed", error.text)

    def write(self, before: TwoStepState | None, after: TwoStepState | None, work: Work) -> None:
        address = Address.parse((after or before or TwoStepState(address="")).address).key
        account_id = work.account_id(address)
        if after is None:
            work.part(keys.user_scope(account_id), partial(_put, None))
            return
        seed = sealing.unseal(work.keyring, after.key_id, _octets(after), about=_about(after.address))
        sealed = sealing.seal_alike(work.keyring, after.key_id, seed, about=sealed_to(account_id))
        confirmed = read_moment(after.confirmed) or work.now
        row = TotpRow(
            secret=sealed,
            key_id=after.key_id,
            started=confirmed,
            confirmed=confirmed,
            # Nothing is taken twice: not even what another server took a moment ago.
            last_step=int(work.now) // STEP,
            recovery=tuple(bytes.fromhex(mark) for mark in after.recovery),
        )
        work.part(keys.user_scope(account_id), partial(_put, row))


def _exported(keyring: Keyring, account: Account, row: TotpRow) -> bytes:
    """Empty where the key is missing that would open it: all else can be exported still."""
    try:
        seed = sealing.unseal(keyring, row.key_id, row.secret, about=sealed_to(account.id))
    except BadInput:
        return b""
    return sealing.seal_alike(keyring, row.key_id, seed, about=_about(account.address))


def _put(row: TotpRow | None, txn: Txn) -> None:
    current = accounts.get_account(txn)
    if current is not None:
        accounts.put_account(txn, replace(current, two_step=row is not None))
    if row is None:
        second_steps.delete(txn)
    else:
        second_steps.put(txn, row)


def _about(address: str) -> bytes:
    return b"totp of " + Address.parse(address).key.encode("utf-8", "surrogatepass")


def _octets(row: TwoStepState) -> bytes:
    """BadInput for what is no base64."""
    try:
        return base64.b64decode(row.sealed, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("not base64, as export --with-secrets writes it") from None
