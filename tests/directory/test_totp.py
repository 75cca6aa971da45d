"""Two-step sign-in: on after a good code only, no code twice, locked after five wrong ones, sealed in the store."""

from __future__ import annotations

import pyotp
import pytest

from tests.delivery.world import World
from xtramail.directory import sealing, totp, users
from xtramail.directory.keyring import Keyring, key_id
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, LimitReached, NoSuchAccount, NotPermitted
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import auth_events, keys, second_steps

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
KEYRING = Keyring(keys={key_id(KEY): KEY}, current=key_id(KEY))
ANN = Address.parse("ann@local.example")


class Steps:
    """Ann, her authenticator, and the commands."""

    def __init__(self) -> None:
        self.world = World()
        self.clock = self.world.clock
        self.seed = ""

    def start(self) -> totp.Enrolment:
        made = drive(totp.start(self.world.desk, ANN, KEYRING))
        self.seed = made.secret.reveal()
        return made

    def code(self, ahead: int = 0) -> str:
        """What the phone shows, its clock ``ahead`` steps."""
        return pyotp.TOTP(self.seed).at(int(self.clock.now()) + ahead * totp.STEP)

    def confirm(self, code: str | None = None) -> list[Secret]:
        typed = self.code() if code is None else code
        return drive(totp.confirm(self.world.desk, ANN, typed, KEYRING))

    def check(self, code: str) -> None:
        drive(totp.check(self.world.desk, ANN, code, KEYRING))

    def refused(self, code: str) -> str:
        with pytest.raises((BadInput, LimitReached)) as caught:
            self.check(code)
        return caught.value.text

    def disable(self, code: str | None = None) -> None:
        drive(totp.disable(self.world.desk, ANN, KEYRING, code=code))

    @property
    def on(self) -> bool:
        return self.world.desk.account(ANN).two_step

    def log(self) -> list[tuple[str, str, str]]:
        events = self.world.engine.read(keys.LOG, lambda snap: list(auth_events.newest(snap)))
        return [(event.outcome, event.text, event.who) for event in events]


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def enrolled(steps: Steps) -> Steps:
    steps.start()
    steps.confirm()
    steps.clock.advance(totp.STEP * 3)
    return steps


def wrong(steps: Steps, number: int = 0) -> str:
    near = {steps.code(ahead) for ahead in range(-3, 4)}
    return [code for code in (f"{n:06}" for n in range(100)) if code not in near][number]


def test_it_is_on_only_after_a_good_code(steps: Steps) -> None:
    made = steps.start()
    assert made.uri.reveal().startswith("otpauth://totp/xtramail%20local.example:ann%40local.example?secret=")
    assert not steps.on
    with pytest.raises(BadInput, match="code: wrong; see that the phone sets its clock by itself"):
        steps.confirm(wrong(steps))
    assert not steps.on
    assert len(steps.confirm()) == 10
    assert steps.world.desk.account(ANN).two_step
    with pytest.raises(AlreadyExists, match="is on"):
        steps.start()


@pytest.mark.parametrize(("ahead", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_wrong_by_one_step(enrolled: Steps, ahead: int, good: bool) -> None:
    if good:
        enrolled.check(enrolled.code(ahead))
    else:
        assert "clock" in enrolled.refused(enrolled.code(ahead))


def test_a_code_is_taken_once_and_none_before_it_again(enrolled: Steps) -> None:
    before, now = enrolled.code(-1), enrolled.code()
    enrolled.check(f"{now[:3]} {now[3:]}")
    assert "code: used already" in enrolled.refused(now)
    assert "code: used already" in enrolled.refused(before)
    enrolled.clock.advance(totp.STEP)
    enrolled.check(enrolled.code())


def test_five_wrong_codes_lock_for_fifteen_minutes_the_good_one_too(enrolled: Steps) -> None:
    for number in range(5):
        assert "code: wrong" in enrolled.refused(wrong(enrolled, number))
    assert "too many wrong ones" in enrolled.refused(enrolled.code())
    enrolled.clock.advance(899)
    assert "too many wrong ones" in enrolled.refused(enrolled.code())
    enrolled.clock.advance(2)
    enrolled.check(enrolled.code())


def test_a_good_code_forgives_the_wrong_ones(enrolled: Steps) -> None:
    for _ in range(3):
        for number in range(4):
            enrolled.refused(wrong(enrolled, number))
        enrolled.check(enrolled.code())
        enrolled.clock.advance(totp.STEP)


def test_each_recovery_code_works_once(steps: Steps) -> None:
    steps.start()
    made = [code.reveal() for code in steps.confirm()]
    assert len(set(made)) == 10
    steps.check(made[0])
    assert "code: wrong" in steps.refused(made[0])
    steps.check(made[1].upper().replace("-", " "))
    fresh = drive(totp.new_codes(steps.world.desk, ANN, KEYRING, code=None))
    assert "code: wrong" in steps.refused(made[2])
    steps.check(fresh[0].reveal())


def test_switching_off_wants_a_code_or_an_administrator_and_is_written_down(enrolled: Steps) -> None:
    with pytest.raises(BadInput):
        enrolled.disable(wrong(enrolled))
    assert enrolled.on
    enrolled.clock.advance(1)
    enrolled.disable(enrolled.code())
    assert not enrolled.world.desk.account(ANN).two_step
    enrolled.start()
    enrolled.confirm()
    enrolled.clock.advance(1)
    enrolled.disable()
    assert not enrolled.on
    assert enrolled.log()[0] == ("changed", "two-step sign-in switched off by an administrator", "olga")
    assert ("changed", "two-step sign-in switched off by a code", "olga") in enrolled.log()
    assert ("refused", "code wrong", "olga") in enrolled.log()
    with pytest.raises(NotPermitted, match="is not on"):
        enrolled.disable()


def test_what_was_only_begun_is_not_switched_off_and_nobody_is_written_down(steps: Steps) -> None:
    steps.start()
    with pytest.raises(NotPermitted, match="is not on"):
        steps.disable()
    assert steps.log() == []


def test_it_stays_on_when_a_user_is_taken_over_as_a_discovered_one(enrolled: Steps) -> None:
    desk = enrolled.world.desk
    drive(users.set_user(desk, ANN, kind="discovered"))
    drive(users.add_user(desk, ANN, password="{X}"))
    assert enrolled.on


def test_the_secret_is_of_no_use_without_the_key_nor_for_another_user(enrolled: Steps) -> None:
    row = enrolled.world.engine.read(keys.user_scope(enrolled.world.ann.id), second_steps.get)
    assert row is not None and enrolled.seed.encode() not in row.secret
    about = b"totp %d" % enrolled.world.ann.id
    assert sealing.unseal(KEYRING, row.key_id, row.secret, about=about) == enrolled.seed.encode()
    with pytest.raises(BadInput, match="does not belong where it lies"):
        sealing.unseal(KEYRING, row.key_id, row.secret, about=b"totp 99")
    with pytest.raises(BadInput, match="server key .* is missing"):
        sealing.unseal(Keyring(keys={"x": OTHER}, current="x"), row.key_id, row.secret, about=about)


def test_it_goes_with_its_user_and_is_for_users_only(enrolled: Steps) -> None:
    drive(users.remove_user(enrolled.world.desk, ANN))
    assert enrolled.world.engine.read(keys.user_scope(enrolled.world.ann.id), second_steps.get) is None
    for name, error in (("ann@local.example", NoSuchAccount), ("staff@relay.example", NotPermitted)):
        with pytest.raises(error):
            drive(totp.start(enrolled.world.desk, Address.parse(name), KEYRING))
