"""Two-step sign-in: one-time codes of an authenticator (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes.

It is on only after a good code. Each code is looked at and written down in one transaction, so that none is taken twice
and no wrong one is forgotten. With it on, mail programs need device passwords (``devices``).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import pyotp
from msgspec.structs import replace

from xtramail.directory import sealing
from xtramail.directory.desk import Change, Desk
from xtramail.directory.keyring import Keyring
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, LimitReached, NoSuchAccount, NotPermitted
from xtramail.model.secret import Secret
from xtramail.store import accounts, auth_events, keys, second_steps
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import Account, AuthEvent, TotpRow

STEP = 30
WINDOW = 1
"""Steps that a phone's clock may be wrong by."""
MOST_WRONG = 5
LOCKED = 900.0
"""Seconds for which no code is looked at after MOST_WRONG wrong ones."""
RECOVERY_CODES = 10
CLOCK_HINT = "see that the phone sets its clock by itself, and type the newest code"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """``secret`` in base 32 and as an otpauth URI, for an authenticator."""

    secret: Secret
    uri: Secret


async def start(desk: Desk, address: Address, keyring: Keyring) -> Enrolment:
    """A new secret; nothing is on until :func:`confirm`. AlreadyExists while it is on, NoSuchAccount."""
    account = desk.account(address, Role.USER)
    desk.require_person("totp start")
    if account.kind != "user":
        raise NotPermitted(f"{account.address} has no password of its own; give it one with: xtramail user add")
    seed = pyotp.random_base32()
    row = TotpRow(
        secret=sealing.seal(keyring, seed.encode("ascii"), about=sealed_to(account.id)),
        key_id=keyring.current,
        started=desk.now(),
    )

    def put(txn: Txn) -> None:
        if _account(txn, account).two_step:
            raise AlreadyExists(
                f"two-step sign-in of {account.address} is on; for a new phone: xtramail totp disable, then start"
            )
        second_steps.put(txn, row)

    told = Change("totp start", address.key, address.domain_key, after={"secret": "set"})
    await desk.change(told, [(keys.user_scope(account.id), put)])
    issuer = f"xtramail {address.domain_key}"
    uri = pyotp.TOTP(seed).provisioning_uri(name=account.address, issuer_name=issuer)
    return Enrolment(secret=Secret(seed), uri=Secret(uri))


async def confirm(desk: Desk, address: Address, code: str, keyring: Keyring) -> list[Secret]:
    """Switch it on by a good code; gives the recovery codes, which are shown this once. Sessions by password end."""
    account, now = desk.account(address, Role.USER), desk.now()
    made = _recovery_codes()

    def finish(txn: Txn, row: TotpRow) -> None:
        current = _account(txn, account)
        if current.two_step:
            raise AlreadyExists(f"two-step sign-in of {account.address} is on already")
        second_steps.put(txn, replace(row, confirmed=now, recovery=_marks(keyring, row.key_id, made)))
        accounts.put_account(txn, replace(current, two_step=True))

    await _with_code(desk, "totp confirm", account, code, keyring, finish, text="two-step sign-in switched on")
    return made


async def check(desk: Desk, address: Address, code: str, keyring: Keyring) -> None:
    """Take a code, one of the authenticator or a recovery code: it is used up. Raises as :func:`disable`."""
    account = desk.account(address, Role.USER)
    await _with_code(desk, "totp check", account, code, keyring, _must_be_on, text="code was good")


async def disable(desk: Desk, address: Address, keyring: Keyring, *, code: str | None) -> None:
    """Switch it off, by a good code or (``code`` None) by an administrator; it is written down who.

    BadInput for a wrong code, LimitReached after too many, NotPermitted where it is not on.
    """
    account = desk.account(address, Role.USER if code is not None else Role.DOMAIN)

    def finish(txn: Txn, row: TotpRow) -> None:
        _must_be_on(txn, row)
        second_steps.delete(txn)
        accounts.put_account(txn, replace(_account(txn, account), two_step=False))

    text = "two-step sign-in switched off"
    if code is not None:
        await _with_code(desk, "totp disable", account, code, keyring, finish, text=f"{text} by a code")
    else:
        await _by_administrator(desk, "totp disable", account, finish, text=f"{text} by an administrator")


async def new_codes(desk: Desk, address: Address, keyring: Keyring, *, code: str | None) -> list[Secret]:
    """Recovery codes in place of those that there were; as :func:`disable`."""
    account = desk.account(address, Role.USER if code is not None else Role.DOMAIN)
    made = _recovery_codes()

    def finish(txn: Txn, row: TotpRow) -> None:
        _must_be_on(txn, row)
        second_steps.put(txn, replace(row, recovery=_marks(keyring, row.key_id, made)))

    if code is not None:
        await _with_code(desk, "totp codes", account, code, keyring, finish, text="new recovery codes")
    else:
        await _by_administrator(desk, "totp codes", account, finish, text="new recovery codes")
    return made


def state(engine: Engine, account: Account) -> TotpRow | None:
    """None where it was never begun."""
    return engine.read(keys.user_scope(account.id), second_steps.get)


Finish = Callable[[Txn, TotpRow], None]
"""What follows on a good code, in its transaction."""


def _must_be_on(_txn: Txn, row: TotpRow) -> None:
    if not row.confirmed:
        raise NotPermitted("two-step sign-in is not on; switch it on with: xtramail totp confirm ADDRESS CODE")


async def _with_code(
    desk: Desk, what: str, account: Account, code: str, keyring: Keyring, finish: Finish, *, text: str
) -> None:
    said, now = "", desk.now()
    told = _change(what, account)

    def judge(txn: Txn) -> None:
        nonlocal said
        row = _row(txn, account)
        seed = sealing.unseal(keyring, row.key_id, row.secret, about=sealed_to(account.id)).decode("ascii")
        judged, said = _judged(row, seed, keyring, code, now)
        second_steps.put(txn, judged)
        if not said:
            finish(txn, judged)
        # What was tried in vain is in the log of logins alone.
        told.before, told.after = {}, ({} if said else {"done": text})

    def write_down(txn: Txn) -> None:
        # A code that was refused because none is looked at now would fill the log by itself.
        if said != _LOCKED:
            auth_events.record(txn, _event(account, said or text, now, desk.actor.name, refused=bool(said)))

    await desk.change(told, [(keys.user_scope(account.id), judge), (keys.LOG, write_down)])
    if said == _LOCKED:
        raise LimitReached("code: too many wrong ones; try again in 15 minutes, or ask an administrator")
    if said:
        raise BadInput(f"code: {said}; {CLOCK_HINT}")


async def _by_administrator(desk: Desk, what: str, account: Account, finish: Finish, *, text: str) -> None:
    event = _event(account, text, desk.now(), desk.actor.name)
    told = _change(what, account)
    told.after = {"done": text}
    await desk.change(
        told,
        [
            (keys.user_scope(account.id), lambda txn: finish(txn, _row(txn, account))),
            (keys.LOG, lambda txn: auth_events.record(txn, event)),
        ],
    )


def _change(what: str, account: Account) -> Change:
    address = Address.parse(account.address)
    return Change(what, address.key, address.domain_key)


_LOCKED = "too many wrong codes"


def _judged(row: TotpRow, seed: str, keyring: Keyring, code: str, now: float) -> tuple[TotpRow, str]:
    """The row after this code, and what is wrong with it (nothing: empty)."""
    if row.locked_until > now:
        return row, _LOCKED
    typed = "".join(c for c in code.lower() if c.isalnum())
    otp, current = pyotp.TOTP(seed, interval=STEP), int(now) // STEP
    said = "wrong"
    for step in range(current - WINDOW, current + WINDOW + 1):
        if hmac.compare_digest(otp.at(step * STEP).encode(), typed.encode()):
            if step > row.last_step:
                return replace(row, last_step=step, wrong=0, locked_until=0.0), ""
            said = "used already"
    mark = _mark(keyring, row.key_id, typed)
    if any(hmac.compare_digest(mark, one) for one in row.recovery):
        left = tuple(one for one in row.recovery if one != mark)
        return replace(row, recovery=left, wrong=0, locked_until=0.0), ""
    wrong = row.wrong + 1
    if wrong >= MOST_WRONG:
        return replace(row, wrong=0, locked_until=now + LOCKED), said
    return replace(row, wrong=wrong), said


def _recovery_codes() -> list[Secret]:
    """50 random bits each, as two groups that can be read out: what stands between a guesser and them is the lock."""
    texts = ["".join(secrets.choice(_ALPHABET) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    return [Secret(f"{text[:5]}-{text[5:]}") for text in texts]


def _marks(keyring: Keyring, key_id: str, codes: list[Secret]) -> tuple[bytes, ...]:
    return tuple(_mark(keyring, key_id, code.reveal().replace("-", "")) for code in codes)


def _mark(keyring: Keyring, key_id: str, typed: str) -> bytes:
    return hmac.digest(keyring.keys[key_id], b"recovery code " + typed.encode(), hashlib.sha256)[:16]


def sealed_to(account_id: int) -> bytes:
    """What a secret in the store is bound to."""
    return b"totp %d" % account_id


def _account(txn: Txn, account: Account) -> Account:
    current = accounts.get_account(txn)
    if current is None:
        raise NoSuchAccount(f"user {account.address} does not exist; see: xtramail user list")
    return current


def _row(txn: Txn, account: Account) -> TotpRow:
    row = second_steps.get(txn)
    if row is None:
        raise NotPermitted(
            f"two-step sign-in of {account.address} is not on; begin with: xtramail totp start {account.address}"
        )
    return row


def _event(account: Account, text: str, now: float, who: str, *, refused: bool = False) -> AuthEvent:
    return AuthEvent(
        at=now,
        address=account.address,
        service="two-step",
        outcome="refused" if refused else "changed",
        text=f"code {text}" if refused else text,
        who=who,
    )
