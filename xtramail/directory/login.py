"""Login: a name and a password in, an account out. Never asks the primary nor its identity provider.

Every failure raises the same BadCredentials, after the same work; why it failed is told only to ``on_failure`` (the
log). How late a refusal is answered is the guard's word and the edge's work; here is no clock that waits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import NoReturn, Protocol, TypeVar

from msgspec.structs import replace

from xtramail.directory import passwords
from xtramail.directory.guard import Guard
from xtramail.directory.keyring import Keyring
from xtramail.model.address import Address
from xtramail.model.clock import DAY_SECONDS, Clock
from xtramail.model.errors import BadCredentials, BadInput, Unavailable
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.model.secret import Secret
from xtramail.store import accounts as rows
from xtramail.store.records import Account, Device

T = TypeVar("T")


class Worker(Protocol):
    """A bounded pool of threads for work that would stall the reactor."""

    def submit(self, who: str, work: Callable[[], T]) -> Pending[T]:
        """Settled in the reactor's thread; fails with LoginBusy when ``who`` or everybody has too much waiting."""


class Accounts(Protocol):
    """The part of the directory that a login looks at."""

    def account(self, address_key: str) -> Account | None: ...

    def canonical(self, address: Address) -> Address:
        """In its domain's own name: guesses count together, whatever name of it they use."""

    def relay_account(self, name: str) -> Account | None:
        """Whose name has no ``@``."""


class FoundDevice(Protocol):
    @property
    def mark(self) -> bytes: ...

    @property
    def device(self) -> Device: ...


class Devices(Protocol):
    """``device_logins.DeviceLogins``."""

    def find(self, account: Account | None, secret: Secret) -> FoundDevice | None: ...

    def used(self, account: Account, peer: Peer, service: str, client: str = "") -> None: ...


class FailureLog(Protocol):
    def __call__(self, *, name: str, peer: Peer, service: str, reason: str) -> None: ...


def _unseen(_account: Account, _service: str) -> None:
    """Nobody keeps when users came."""


def _unlogged(_account: Account, _peer: Peer, _service: str) -> None:
    """Nobody keeps from where."""


def _kept(_account: Account, _stored: str) -> None:
    """Nobody keeps a hash of ours in the place of another server's."""


SHUT_OUT = "too many failures from this address"
"""The reason of a login that was not looked at."""


class VerifyCache:
    """Remembers, in memory, keyed and hashed, that a password fitted a stored hash: 24 h since its last use.

    A changed password has another stored hash, so what was cached for the old one never fits again.
    """

    def __init__(self, clock: Clock, *, seconds: float = float(DAY_SECONDS), entries: int = 50_000) -> None:
        self._clock = clock
        self._seconds = seconds
        self._entries = entries
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def mark(self, password: Secret, stored: str) -> bytes:
        """Names the pair without telling either."""
        text = f"{stored}\0{password.reveal()}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)

    def knows(self, password: Secret, stored: str) -> bool:
        mark = self.mark(password, stored)
        last = self._used.get(mark)
        if last is None:
            return False
        now = self._clock.monotonic()
        if now - last > self._seconds:
            del self._used[mark]
            return False
        self._used[mark] = now
        self._used.move_to_end(mark)
        return True

    def remember(self, password: Secret, stored: str) -> None:
        self._used[self.mark(password, stored)] = self._clock.monotonic()
        if len(self._used) > self._entries:
            self._used.popitem(last=False)


class Login:
    """Checks passwords of IMAP, POP3 and submission alike."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        devices: Devices,
        keyring: Keyring,
        worker: Worker,
        guard: Guard,
        clock: Clock,
        on_failure: FailureLog,
        cost: int = passwords.DEFAULT_COST,
        remember: float = float(DAY_SECONDS),
        on_success: Callable[[Account, str], None] = _unseen,
        on_good: Callable[[Account, Peer, str], None] = _unlogged,
        on_renewed: Callable[[Account, str], None] = _kept,
    ) -> None:
        """``remember``: seconds since its last use for which a good password needs no hashing again.

        ``on_success`` is told account and service of each login, ``on_good`` from where, too. ``on_renewed`` gets a
        hash of ours for an account that came by one of another server: the same password, so nothing else changes.
        """
        self._accounts = accounts
        self._devices = devices
        self._clock = clock
        self._keyring = keyring
        self._worker = worker
        self._guard = guard
        self._cache = VerifyCache(clock, seconds=remember)
        self._checking: dict[bytes, Pending[bool]] = {}
        self._on_failure = on_failure
        self._on_success = on_success
        self._on_good = on_good
        self._on_renewed = on_renewed
        self._cost = cost
        self._renewing: set[int] = set()
        """Accounts for which a hash of ours is being made."""
        self._dummy = passwords.DummyHash(keyring, cost).stored

    async def password(self, name: str, secret: Secret, *, peer: Peer, service: str) -> Account:
        """The account that ``name`` (its address) and ``secret`` open for ``service`` ("imap", "submission").

        BadCredentials for every wrong combination; LoginBusy when the hashing pool is full (a temporary failure, never
        to be shown as a wrong password).
        """
        key, find = self._look_up(name, service)
        account = find(key)
        stored = account.password if account is not None and account.password else self._dummy
        opens = account is None or (rows.is_open(account) and not account.two_step)
        known = opens and self._cache.knows(secret, stored)
        # The account's own password is no device's: we chose those, and looking for one is 3 % of a login.
        found = self._devices.find(account, secret) if not known else None
        if found is not None and account is not None:
            return await self._by_device(name, key, account, found, secret, peer, service)
        # Known to be right or not, of an account that it does not open it is refused after the work of a wrong one.
        if not known:
            # A device whose password is known to be right is never shut out by the failures of others.
            if self._guard.refuses(key, peer):
                self._refuse(name, peer, service, SHUT_OUT)
            fits = await self._check(key, secret, stored, peer)
            if not fits or account is None:
                self._guard.failed(key, peer, secret.reveal())
                reason = "wrong password" if account is not None and account.password else "unknown user"
                self._refuse(name, peer, service, reason)
            # The account may have changed while the hash was worked out.
            before, account = account, find(key)
            if account is not None and _is_renewed(before, account):
                stored = account.password
            if account is not None and account.two_step:
                # Not a guess: no address is shut out for it.
                self._refuse(name, peer, service, "two-step sign-in is on: this needs a device password")
            self._cache.remember(secret, stored)
        if account is None or not rows.is_open(account) or account.password != stored:
            self._refuse(name, peer, service, "account disabled or changed")
        self._guard.succeeded(key, peer)
        self._on_success(account, service)
        self._on_good(account, peer, service)
        if passwords.is_foreign(stored):
            self._renew(account, secret)
        return account

    def client_named(self, account: Account, peer: Peer, service: str, client: str) -> None:
        """A program that has logged in says what it is (RFC 2971)."""
        if account.device and client:
            self._devices.used(account, peer, service, client)

    async def _by_device(
        self, name: str, key: str, account: Account, found: FoundDevice, secret: Secret, peer: Peer, service: str
    ) -> Account:
        """Nobody guesses a device password: neither a failure nor a shut address counts."""
        device, reason = found.device, ""
        if not rows.is_open(account):
            reason = "account disabled or changed"
        elif 0 < device.expires <= self._clock.now():
            reason = f"device password {device.name!r} has expired"
        elif service not in device.services:
            reason = f"device password {device.name!r} does not open {service}"
        if reason:
            # The work of a wrong password, so that time tells nothing.
            await self._check(key, secret, self._dummy, peer)
            self._refuse(name, peer, service, reason)
        came = replace(account, device=found.mark)
        self._guard.succeeded(key, peer)
        self._devices.used(came, peer, service)
        self._on_success(came, service)
        self._on_good(came, peer, service)
        return came

    def _renew(self, account: Account, secret: Secret) -> None:
        """Nobody waits for it, and where the pool is full, the next login tries again."""
        if account.id in self._renewing:
            return
        self._renewing.add(account.id)
        making = self._worker.submit(
            f"renew {account.id}", lambda: passwords.hash_chosen(secret, self._keyring, self._cost)
        )
        making.when_done(partial(self._renewed, account, secret))

    def _renewed(self, account: Account, secret: Secret, made: Pending[str]) -> None:
        self._renewing.discard(account.id)
        try:
            stored = made.result()
        except Unavailable:
            return
        self._cache.remember(secret, stored)
        self._on_renewed(account, stored)

    def _refuse(self, name: str, peer: Peer, service: str, reason: str) -> NoReturn:
        self._on_failure(name=name, peer=peer, service=service, reason=reason)
        raise BadCredentials(delay=self._guard.refused(peer))

    def _check(self, key: str, secret: Secret, stored: str, peer: Peer) -> Pending[bool]:
        """One check serves all who ask the same at the same time: after a restart a client opens five connections."""
        mark = self._cache.mark(secret, f"{key} {peer.block} {stored}")
        checking = self._checking.get(mark)
        if checking is None:
            checking = self._worker.submit(f"{key} {peer.block}", lambda: self._fits(secret, stored))
            if not checking.done:
                self._checking[mark] = checking
                checking.when_done(partial(self._checked, mark))
        return checking

    def _checked(self, mark: bytes, _checking: Pending[bool]) -> None:
        del self._checking[mark]

    def _fits(self, secret: Secret, stored: str) -> bool:
        """The same work for every wrong password, so that time does not tell which accounts have a quick hash."""
        if passwords.verify(secret, stored, self._keyring):
            return True
        if not passwords.is_slow(stored, self._cost):
            passwords.verify(secret, self._dummy, self._keyring)
        return False

    def _look_up(self, name: str, service: str) -> tuple[str, Callable[[str], Account | None]]:
        """Under what failures are counted, and how the account of it is found."""
        try:
            return self._accounts.canonical(Address.parse(name)).key, self._accounts.account
        except (BadInput, UnicodeError):
            # A primary sends, and reads nothing.
            known = service == "submission" and "@" not in name
            return name[:320].casefold(), self._accounts.relay_account if known else _nobody


def _nobody(_key: str) -> None:
    return None


def _is_renewed(before: Account, now: Account) -> bool:
    """A login beside this one had a hash of ours put in the place of another server's: the password is the same."""
    return (
        before.id == now.id
        and before.password_changed == now.password_changed
        and passwords.is_foreign(before.password)
        and not passwords.is_foreign(now.password)
    )
