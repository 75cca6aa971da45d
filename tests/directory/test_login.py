"""Logins: one text and the same work for every failure, busy is never wrong, what changed holds at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import bcrypt
import pytest
from msgspec.structs import replace

from tests.delivery.world import World
from xtramail.directory import devices, passwords, users
from xtramail.directory.device_logins import DeviceLogins
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.guard import Guard, GuardLimits
from xtramail.directory.keyring import Keyring, key_id
from xtramail.directory.login import SHUT_OUT, Login, VerifyCache
from xtramail.directory.renewed_passwords import RenewedPasswords
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadCredentials, LoginBusy
from xtramail.model.peer import Peer
from xtramail.model.pending import Pending, drive
from xtramail.model.secret import Secret
from xtramail.net.adapter import start
from xtramail.store import accounts, keys
from xtramail.store import devices as device_rows
from xtramail.store.engine import Txn
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
            devices=DeviceLogins(self.world.engine, KEYRING, self.clock),
            keyring=KEYRING,
            worker=self.worker,
            guard=Guard(self.clock, limits or GuardLimits()),
            clock=self.clock,
            on_failure=lambda *, name, peer, service, reason: self.failures.append((name, reason)),
            cost=4,
            on_renewed=self.renew,
        )
        self.set(self.world.ann, passwords.hash_chosen(GOOD, KEYRING, 4))
        self.set(self.world.bob, passwords.hash_generated(GOOD, KEYRING))

    def renew(self, account: Account, stored: str) -> None:
        drive(RenewedPasswords(self.world.engine, self.clock).keep(account, stored))

    def set(self, account: Account, stored: str) -> None:
        drive(users.set_password(self.world.desk, Address.parse(account.address), stored))

    def enter(self, name: str, secret: Secret = GOOD, peer: Peer = PEER) -> Account:
        return drive(self.login.password(name, secret, peer=peer, service="imap"))

    def refused(self, name: str, secret: Secret = GOOD, peer: Peer = PEER) -> str:
        with pytest.raises(BadCredentials) as caught:
            self.enter(name, secret, peer)
        return caught.value.text


@pytest.fixture
def logins() -> Logins:
    return Logins()


def device(
    logins: Logins, name: str = "phone", scopes: tuple[str, ...] = tuple(devices.SCOPES), expires: float = 0
) -> Secret:
    return drive(
        devices.add(
            logins.world.desk,
            Address.parse("ann@local.example"),
            KEYRING,
            name=name,
            scopes=scopes,
            expires=expires,
        )
    )


def two_step(logins: Logins, *, on: bool = True) -> None:
    def switch(txn: Txn) -> None:
        found = accounts.get_account(txn)
        assert found is not None
        accounts.put_account(txn, replace(found, two_step=on))

    logins.world.engine.transact(keys.user_scope(logins.world.ann.id), switch).result()


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
    drive(users.set_user(logins.world.desk, Address.parse("ann@local.example"), status="disabled"))
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
    drive(users.remove_user(logins.world.desk, Address.parse("ann@local.example")))
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


def test_a_device_password_opens_without_a_slow_hash_however_it_is_typed(logins: Logins) -> None:
    made = device(logins)
    assert re.fullmatch(r"([0-9a-z]{5}-){3}[0-9a-z]{5}", made.reveal())
    text = made.reveal()
    for typed in (text, text.upper(), text.replace("-", " "), text.replace("-", "")):
        came = logins.enter("ann@local.example", Secret(typed))
        assert (came.id, bool(came.device)) == (logins.world.ann.id, True)
    assert logins.worker.submitted == []
    assert logins.enter("ann@local.example").device == b""


def test_a_device_password_opens_its_own_account_and_scope_only(logins: Logins) -> None:
    made = device(logins, scopes=("pop", "smtp"))
    text = logins.refused("ann@local.example", made)
    assert text == logins.refused("bob@local.example", made) == logins.refused("eve@local.example", WRONG)
    assert logins.failures[0] == ("ann@local.example", "device password 'phone' does not open imap")
    for service in ("pop3", "submission"):
        assert drive(logins.login.password("ann@local.example", made, peer=PEER, service=service)).device


def test_a_device_password_ends_at_its_time_and_when_revoked(logins: Logins) -> None:
    brief, kept = device(logins, "brief", expires=logins.clock.now() + 60), device(logins, "kept")
    came, stays = logins.enter("ann@local.example", brief), logins.enter("ann@local.example", kept)
    logins.clock.advance(61)
    assert "has expired" in (logins.refused("ann@local.example", brief) and logins.failures[-1][1])
    assert logins.world.directory.standing(came) is None and logins.world.directory.standing(stays) is not None
    drive(devices.revoke(logins.world.desk, Address.parse("ann@local.example"), "KEPT"))
    logins.refused("ann@local.example", kept)
    assert logins.failures[-1][1] == "wrong password"
    assert logins.world.directory.standing(stays) is None


def test_sessions_of_a_device_are_woken_once_when_it_expires(logins: Logins) -> None:
    engine, woken = logins.world.engine, []
    rows = DeviceLogins(engine, KEYRING, logins.clock)
    made = device(logins, "brief", expires=logins.clock.now() + 60)
    account = logins.world.directory.account("ann@local.example")
    found = rows.find(account, made)
    assert account is not None and found is not None
    rows.used(replace(account, device=found.mark), PEER, "imap")
    engine.watch(keys.user_scope(account.id), lambda: woken.append(1))
    drive(rows.end_expired())
    assert woken == []
    logins.clock.advance(61)
    for _ in range(3):
        drive(rows.end_expired())
    assert woken == [1]


def test_who_was_made_a_list_is_logged_out_and_nothing_opens_it(logins: Logins) -> None:
    made = device(logins)
    came, own = logins.enter("ann@local.example", made), logins.enter("ann@local.example")
    logins.world.change_domain("local.example", primaries=(("primary.example", 25),))
    drive(users.set_user(logins.world.desk, Address.parse("ann@local.example"), kind="list"))
    stands = logins.world.directory.standing
    assert (stands(came), stands(own)) == (None, None)
    assert logins.refused("ann@local.example", made) == logins.refused("ann@local.example")


def test_a_login_ends_with_what_it_came_by_and_not_with_anything_else(logins: Logins) -> None:
    stands = logins.world.directory.standing
    one, two = (logins.enter("ann@local.example", device(logins, name)) for name in ("one", "two"))
    own = logins.enter("ann@local.example")
    drive(devices.revoke(logins.world.desk, Address.parse("ann@local.example"), "one"))
    assert (stands(one), bool(stands(two)), bool(stands(own))) == (None, True, True)
    logins.clock.advance(1)
    logins.set(logins.world.ann, passwords.hash_chosen(WRONG, KEYRING, 4))
    assert stands(own) is None and stands(two) is not None
    drive(users.set_user(logins.world.desk, Address.parse("ann@local.example"), status="disabled"))
    assert stands(two) is None


def test_with_two_step_sign_in_the_right_password_is_refused_as_a_wrong_one(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, own = device(logins), logins.enter("ann@local.example")
    two_step(logins)
    assert logins.world.directory.standing(own) is None, "its sessions end"
    slow: list[str] = []
    check = passwords.bcrypt.checkpw
    monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *args: slow.append("") or check(*args))
    assert logins.refused("ann@local.example") == logins.refused("ann@local.example", WRONG)
    assert len(slow) == 2, "known or not, it is the same work"
    assert [reason for _, reason in logins.failures] == [
        "two-step sign-in is on: this needs a device password",
        "wrong password",
    ]
    assert logins.enter("ann@local.example", made)
    two_step(logins, on=False)
    assert logins.enter("ann@local.example")


def test_no_address_is_shut_out_for_the_password_of_a_two_step_user(logins: Logins) -> None:
    two_step(logins)
    for _ in range(60):
        logins.clock.advance(700)
        logins.refused("ann@local.example")
    assert all("two-step" in reason for _, reason in logins.failures)
    logins.set(logins.world.bob, passwords.hash_chosen(GOOD, KEYRING, 4))
    assert logins.enter("bob@local.example")


def test_a_known_device_is_never_locked_out(logins: Logins) -> None:
    made = device(logins)
    for number in range(30):
        logins.refused("ann@local.example", Secret(f"guess {number}"))
    assert "too many failures" in logins.failures[-1][1]
    assert logins.enter("ann@local.example", made)


def test_unknown_users_cost_the_work_of_known_ones_at_every_step(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keyed hashes, slow hashes and reads of device rows are counted: none tells who exists, or has two steps."""
    device(logins)
    work: Counter[str] = Counter()

    def counted(where: object, name: str) -> None:
        original = getattr(where, name)

        def call(*args: Any) -> Any:
            work[name] += 1
            return original(*args)

        monkeypatch.setattr(where, name, call)

    counted(passwords, "device_mark")
    counted(passwords.bcrypt, "checkpw")
    counted(device_rows, "get")
    seen = set()
    for two in (False, True):
        two_step(logins, on=two)
        for name in ("ann@local.example", "eve@local.example", "eve@gone.example", "nobody"):
            work.clear()
            logins.refused(name, Secret(f"{two} {name}"))
            seen.add(tuple(sorted(work.items())))
    assert seen == {(("checkpw", 1), ("device_mark", 1), ("get", 1))}


def test_the_last_use_of_a_device_is_written_once_a_minute_and_wakes_no_session(logins: Logins) -> None:
    made, woken = device(logins), []
    engine, address = logins.world.engine, Address.parse("ann@local.example")
    engine.watch(keys.user_scope(logins.world.ann.id), lambda: woken.append(1))
    at = logins.clock.now()
    came = logins.enter("ann@local.example", made)
    commits = engine.newest_commit()
    logins.login.client_named(came, PEER, "imap", "Gnus \x07 5.13")
    logins.clock.advance(30)
    for _ in range(5):
        logins.enter("ann@local.example", made, ELSEWHERE)
        logins.login.client_named(came, ELSEWHERE, "imap", "another")
    assert engine.newest_commit() == commits + 1
    (known,) = devices.of_user(logins.world.desk, address)
    assert known.use is not None
    assert (known.use.at, known.use.block, known.use.service) == (at, "192.0.2.0/24", "imap")
    assert known.use.client == "Gnus ? 5.13"
    logins.clock.advance(31)
    logins.enter("ann@local.example", made, ELSEWHERE)
    assert [one.use.block for one in devices.of_user(logins.world.desk, address) if one.use] == ["198.51.100.0/24"]
    assert woken == []


FOREIGN = "{BLF-CRYPT}" + bcrypt.hashpw(GOOD.reveal().encode(), bcrypt.gensalt(4)).decode()


def test_a_hash_of_another_server_is_ours_after_the_next_good_login(logins: Logins) -> None:
    logins.set(logins.world.ann, FOREIGN)
    assert logins.refused("ann@local.example", WRONG)
    assert logins.world.desk.account(Address.parse("ann@local.example")).password == FOREIGN
    came = logins.enter("ann@local.example")
    after = logins.world.desk.account(Address.parse("ann@local.example"))
    assert after.password.startswith(passwords.BCRYPT) and passwords.verify(GOOD, after.password, KEYRING)
    assert after.password_changed == came.password_changed, "who is logged in stays so"
    work = len(logins.worker.submitted)
    assert logins.enter("ann@local.example").id == after.id
    assert len(logins.worker.submitted) == work, "the password is known still"
    logins.refused("ann@local.example", WRONG)


def test_connections_at_once_come_in_while_the_hash_is_renewed(logins: Logins) -> None:
    logins.set(logins.world.ann, FOREIGN)
    logins.worker.hold = []
    first = start(logins.login.password("ann@local.example", GOOD, peer=PEER, service="imap"))
    second = start(logins.login.password("ann@local.example", GOOD, peer=ELSEWHERE, service="imap"))
    checked_first, checked_second = logins.worker.hold[:2]
    checked_first()
    renewed = logins.worker.hold[2]
    renewed()
    checked_second()
    came: list[Account] = []
    first.addCallback(came.append)
    second.addCallback(came.append)
    assert [account.address for account in came] == ["ann@local.example"] * 2
    assert len(logins.worker.hold) == 3, "one hash is made, not two"


def test_a_busy_pool_leaves_the_hash_for_the_next_login(logins: Logins) -> None:
    logins.set(logins.world.ann, FOREIGN)
    logins.worker.hold = []
    coming = start(logins.login.password("ann@local.example", GOOD, peer=PEER, service="imap"))
    logins.worker.full = True
    logins.worker.hold[0]()
    came: list[Account] = []
    coming.addCallback(came.append)
    assert came[0].password == FOREIGN
    logins.worker.full, logins.worker.hold = False, None
    logins.enter("ann@local.example")
    assert logins.world.desk.account(Address.parse("ann@local.example")).password.startswith(passwords.BCRYPT)


def test_a_password_that_was_changed_meanwhile_is_not_put_back(logins: Logins) -> None:
    logins.set(logins.world.ann, FOREIGN)
    came = logins.world.desk.account(Address.parse("ann@local.example"))
    other = passwords.hash_generated(WRONG, KEYRING)
    logins.set(logins.world.ann, other)
    logins.renew(came, passwords.hash_chosen(GOOD, KEYRING, 4))
    assert logins.world.desk.account(Address.parse("ann@local.example")).password == other


def test_another_name_of_the_domain_is_the_same_login_and_gives_no_more_guesses(logins: Logins) -> None:
    drive(add_domain_alias(logins.world.desk, "bücher.example", "local.example"))
    names = ["ann@bücher.example", "ANN@XN--bcher-kva.example", '"ann"@bücher.example', "Ann@Local.example"]
    assert {logins.enter(name).id for name in names} == {logins.world.ann.id}
    counted = Logins(GuardLimits(per_account_and_address=3))
    drive(add_domain_alias(counted.world.desk, "bücher.example", "local.example"))
    for number, name in enumerate(names):
        counted.refused(name, Secret(f"guess {number}"))
    assert [reason for _, reason in counted.failures] == ["wrong password"] * 3 + [SHUT_OUT]


def delay(logins: Logins, name: str, secret: Secret = WRONG, service: str = "imap") -> tuple[float, int]:
    """Of the refusal, and how often passwords were looked at for it."""
    before = len(logins.worker.submitted)
    with pytest.raises(BadCredentials) as caught:
        drive(logins.login.password(name, secret, peer=PEER, service=service))
    return caught.value.delay, len(logins.worker.submitted) - before


def test_every_refusal_delays_the_next_one_of_its_block_alike_whatever_its_reason() -> None:
    def disabled(logins: Logins) -> Secret:
        drive(users.set_user(logins.world.desk, Address.parse("ann@local.example"), status="disabled"))
        return GOOD

    def needs_two_steps(logins: Logins) -> Secret:
        two_step(logins)
        return GOOD

    def expired(logins: Logins) -> Secret:
        made = device(logins, expires=logins.clock.now() + 1)
        logins.clock.advance(2)
        return made

    cases: dict[str, tuple[str, Callable[[Logins], Secret], str]] = {
        "wrong password": ("ann@local.example", lambda _: WRONG, "imap"),
        "unknown user": ("nobody@local.example", lambda _: WRONG, "imap"),
        "unknown domain": ("nobody@elsewhere.example", lambda _: WRONG, "pop3"),
        "no address": ("nobody", lambda _: WRONG, "submission"),
        "two steps": ("ann@local.example", needs_two_steps, "imap"),
        "disabled": ("ann@local.example", disabled, "imap"),
        "expired": ("ann@local.example", expired, "imap"),
        "another service": ("ann@local.example", lambda logins: device(logins, scopes=("imap",)), "submission"),
    }
    for reason, (name, prepare, service) in cases.items():
        logins = Logins()
        secret = prepare(logins)
        seen = [delay(logins, name, secret, service) for _ in range(5)]
        assert seen == [(1, 1), (2, 1), (4, 1), (8, 1), (8, 1)], reason


def test_those_who_may_not_guess_any_more_are_delayed_as_before() -> None:
    logins = Logins(GuardLimits(per_block=2))
    names = ["ann@local.example", "nobody@local.example"] * 2
    assert [delay(logins, name)[0] for name in names] == [1, 2, 4, 8]
    assert [reason for _, reason in logins.failures][2:] == [SHUT_OUT] * 2


def test_who_logged_in_well_is_let_in_beside_a_guesser_and_forgives_him_nothing(logins: Logins) -> None:
    phone = device(logins)
    logins.enter("ann@local.example")
    for number in range(60):
        delay(logins, "ann@local.example" if number % 2 else "nobody@local.example", Secret(f"guess {number}"))
    assert logins.enter("ann@local.example").id == logins.world.ann.id
    assert logins.enter("ann@local.example", phone).id == logins.world.ann.id
    assert delay(logins, "ann@local.example")[0] == delay(logins, "nobody@local.example")[0] == 8
