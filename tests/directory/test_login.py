"""Logins: one text and the same work for every failure, busy is never wrong, what changed holds at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from tests.delivery.world import World
from xtramail.directory import passwords, users
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.login import Login, VerifyCache
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadCredentials, LoginBusy
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending, drive
from xtramail.model.secret import Secret
from xtramail.net.adapter import start
from xtramail.store.records import Account

T = TypeVar("T")

KEY = bytes(range(32))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))
PEER = Peer(address="192.0.2.7")
ELSEWHERE = Peer(address="198.51.100.9")
GOOD, WRONG = Secret("correct horse"), Secret("battery staple")


@dataclass
class Worker:
    """Works at once, and counts; ``full`` refuses."""

    full: bool = False
    submitted: list[str] = field(default_factory=list)
    hold: list[Callable[[], None]] | None = None

    def submit(self, who: str, work: Callable[[], T]) -> Pending[T]:
        self.submitted.append(who)
        if self.full:
            return Pending.failed(LoginBusy())
        if self.hold is None:
            return Pending.of(work())
        pending: Pending[T] = Pending()
        self.hold.append(lambda: pending.settle(work()))
        return pending


class Logins:
    def __init__(self, limits: GuardLimits | None = None) -> None:
        self.world = World()
        self.clock = self.world.clock
        self.worker = Worker()
        self.failures: list[tuple[str, str]] = []
        self.verified: list[str] = []
        self.login = Login(
            accounts=self.world.directory,
            keyring=KEYRING,
            worker=self.worker,
            guard=Guard(self.clock, limits or GuardLimits()),
            clock=self.clock,
            on_failure=lambda *, name, peer, service, reason: self.failures.append((name, reason)),
            cost=4,
        )
        self.set(self.world.ann, passwords.hash_chosen(GOOD, KEYRING, 4))
        self.set(self.world.bob, passwords.hash_generated(GOOD, KEYRING))

    def set(self, account: Account, stored: str) -> None:
        drive(users.set_password(self.world.engine, Address.parse(account.address), stored, now=self.clock.now()))

    def enter(self, name: str, secret: Secret = GOOD, peer: Peer = PEER) -> Account:
        return drive(self.login.password(name, secret, peer=peer, service="imap"))

    def refused(self, name: str, secret: Secret = GOOD, peer: Peer = PEER) -> str:
        with pytest.raises(BadCredentials) as caught:
            self.enter(name, secret, peer)
        return caught.value.text


@pytest.fixture
def logins() -> Logins:
    return Logins()


@pytest.mark.parametrize("name", ["ann@local.example", "ANN@LOCAL.example", " ann@local.example. ".strip()])
def test_a_name_and_its_password_open_the_account(logins: Logins, name: str) -> None:
    assert logins.enter(name).id == logins.world.ann.id
    assert logins.failures == []


def test_names_are_known_in_unicode_and_in_ascii(logins: Logins) -> None:
    logins.world.domain("bücher.example")
    account = logins.world.user("jürgen@bücher.example")
    logins.set(account, passwords.hash_chosen(GOOD, KEYRING, 4))
    for name in ("jürgen@bücher.example", "JÜRGEN@xn--bcher-kva.example", "ju\u0308rgen@Bücher.EXAMPLE"):
        assert logins.enter(name).id == account.id


NAMES = [
    "ann@local.example",
    "bob@local.example",
    "eve@local.example",
    "staff@relay.example",
    "ann@elsewhere.example",
    "ann",
    "",
    "@",
    "a@b@c",
    "x" * 5_000,
    "\udcff@local.example",
    "nul\0@local.example",
]


def test_every_failure_has_one_text_and_the_same_work(logins: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[str] = []
    check = passwords.bcrypt.checkpw
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *args: slow.append("") or check(*args))
    texts = set()
    for name in NAMES:
        slow.clear()
        texts.add(logins.refused(name, WRONG))
        assert len(slow) == 1, name
    assert len(texts) == 1
    assert len(logins.worker.submitted) == len(NAMES)
    assert {reason for _, reason in logins.failures} == {"wrong password", "unknown user"}


def test_a_disabled_user_is_refused_like_a_wrong_password_and_at_once(logins: Logins) -> None:
    logins.enter("ann@local.example")
    drive(users.set_user(logins.world.engine, Address.parse("ann@local.example"), status="disabled"))
    assert logins.refused("ann@local.example") == logins.refused("eve@local.example")
    assert logins.failures[0][1] == "account disabled or changed"


def test_a_known_password_is_not_worked_out_again_until_it_changes(logins: Logins) -> None:
    for _ in range(3):
        logins.enter("ann@local.example")
    assert len(logins.worker.submitted) == 1
    logins.set(logins.world.ann, passwords.hash_chosen(WRONG, KEYRING, 4))
    logins.refused("ann@local.example", GOOD)
    logins.enter("ann@local.example", WRONG)
    assert len(logins.worker.submitted) == 3


def test_a_password_that_changes_while_it_is_worked_out_does_not_open(logins: Logins) -> None:
    logins.worker.hold = []
    waiting = start(logins.login.password("ann@local.example", GOOD, peer=PEER, service="imap"))
    logins.set(logins.world.ann, passwords.hash_chosen(WRONG, KEYRING, 4))
    logins.worker.hold.pop()()
    failed: list[Any] = []
    waiting.addErrback(lambda failure: failed.append(failure.value))
    assert isinstance(failed[0], BadCredentials)


def test_a_user_removed_while_it_is_worked_out_does_not_open(logins: Logins) -> None:
    logins.worker.hold = []
    waiting = start(logins.login.password("ann@local.example", GOOD, peer=PEER, service="imap"))
    drive(users.remove_user(logins.world.engine, Address.parse("ann@local.example")))
    logins.worker.hold.pop()()
    failed: list[Any] = []
    waiting.addErrback(lambda failure: failed.append(failure.value))
    assert isinstance(failed[0], BadCredentials)


def test_busy_is_never_a_wrong_password_and_counts_for_nothing(logins: Logins) -> None:
    logins.worker.full = True
    for secret in [GOOD, *(Secret(f"guess {number}") for number in range(40))]:
        with pytest.raises(LoginBusy):
            logins.enter("ann@local.example", secret)
    logins.worker.full = False
    assert logins.enter("ann@local.example") and logins.failures == []


def test_the_queue_of_a_guesser_is_his_own(logins: Logins) -> None:
    logins.enter("ann@local.example")
    logins.refused("ann@local.example", WRONG, ELSEWHERE)
    assert len(set(logins.worker.submitted)) == 2


def test_guessing_ends_for_the_guesser_and_not_for_the_user(logins: Logins) -> None:
    for number in range(10):
        logins.refused("ann@local.example", Secret(f"guess {number}"), ELSEWHERE)
    before = len(logins.worker.submitted)
    logins.refused("ann@local.example", GOOD, ELSEWHERE)
    assert len(logins.worker.submitted) == before and "too many failures" in logins.failures[-1][1]
    assert logins.enter("ann@local.example", GOOD, PEER)
    # A device whose password is known to be right is not shut out by the failures of others behind its address.
    assert logins.enter("ann@local.example", GOOD, ELSEWHERE)


def test_secrets_are_in_no_failure(logins: Logins) -> None:
    logins.refused("ann@local.example", WRONG)
    assert WRONG.reveal() not in repr(logins.failures)


def test_the_cache_forgets_after_its_time_without_use_and_is_bounded() -> None:
    clock = SetClock()
    cache = VerifyCache(clock, seconds=100, entries=3)
    cache.remember(GOOD, "one")
    for _ in range(3):
        clock.advance(90)
        assert cache.knows(GOOD, "one")
    clock.advance(101)
    assert not cache.knows(GOOD, "one") and not cache.knows(WRONG, "one")
    for stored in ("a", "b", "c"):
        cache.remember(GOOD, stored)
    assert cache.knows(GOOD, "a")
    cache.remember(GOOD, "d")
    assert cache.knows(GOOD, "a") and not cache.knows(GOOD, "b")


def test_logins_of_one_client_at_the_same_time_are_one_check(logins: Logins) -> None:
    held: list[Callable[[], None]] = []
    logins.worker.hold = held
    opened: list[int] = []

    async def enter(secret: Secret) -> None:
        opened.append((await logins.login.password("ann@local.example", secret, peer=PEER, service="imap")).id)

    right, wrong = [enter(GOOD) for _ in range(5)], [enter(WRONG) for _ in range(2)]
    waits = [one.send(None) for one in right + wrong]
    assert len(logins.worker.submitted) == len(held) == 2
    for settle in held:
        settle()
    assert all(wait.done for wait in waits)
    for one in right:
        with pytest.raises(StopIteration):
            one.send(None)
    for one in wrong:
        with pytest.raises(BadCredentials):
            one.send(None)
    assert opened == [logins.world.ann.id] * 5
