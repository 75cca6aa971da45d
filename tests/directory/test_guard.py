"""Guessing is slow, and a guesser shuts out only himself."""

from __future__ import annotations

import pytest

from xtramail.directory.guard import Guard, GuardLimits
from xtramail.model.clock import SetClock
from xtramail.model.peer import Peer

ANN = "ann@local.example"
LIMITS = GuardLimits(window=600, per_block=20, per_account_and_address=5, trusted_for=1_000, entries=50)


class Guarded:
    def __init__(self, limits: GuardLimits = LIMITS) -> None:
        self.clock = SetClock()
        self.guard = Guard(self.clock, limits)

    def guess(self, count: int, address: str = "192.0.2.7", account: str = ANN, start: int = 0) -> None:
        for number in range(start, start + count):
            self.guard.failed(account, Peer(address=address), f"guess {number}")

    def shut(self, address: str = "192.0.2.7", account: str = ANN) -> bool:
        return self.guard.refuses(account, Peer(address=address))


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def test_an_account_is_shut_for_one_address_only(guarded: Guarded) -> None:
    guarded.guess(4)
    assert not guarded.shut()
    guarded.guess(1, start=4)
    assert guarded.shut()
    assert not guarded.shut(account="bob@local.example") and not guarded.shut(address="192.0.2.8")


def test_the_same_wrong_password_counts_once(guarded: Guarded) -> None:
    for _ in range(100):
        guarded.guess(1)
        guarded.clock.advance(60)
    assert not guarded.shut()


def test_failures_are_forgotten_after_the_window(guarded: Guarded) -> None:
    guarded.guess(5)
    guarded.clock.advance(601)
    assert not guarded.shut()


def test_setting_the_wall_clock_changes_nothing(guarded: Guarded) -> None:
    guarded.guess(5)
    guarded.clock.jump(86_400 * 365)
    assert guarded.shut()


@pytest.mark.parametrize(
    ("inside", "beside"),
    [("192.0.2.{}", "192.0.3.1"), ("2001:db8:0:1::{}", "2001:db8:0:2::1")],
)
def test_a_block_is_shut_as_a_whole(guarded: Guarded, inside: str, beside: str) -> None:
    for number in range(20):
        guarded.guess(1, address=inside.format(number + 1), account=f"user{number}@local.example")
    assert guarded.shut(address=inside.format(200), account="new@local.example")
    assert not guarded.shut(address=beside, account="new@local.example")


def test_a_block_with_a_good_login_is_never_shut_out(guarded: Guarded) -> None:
    guarded.guard.succeeded("bob@local.example", Peer(address="192.0.2.9"))
    for number in range(40):
        guarded.guess(1, address=f"192.0.2.{number + 1}", account=f"user{number}@local.example")
    assert not guarded.shut(address="192.0.2.200")
    guarded.guess(5)
    assert guarded.shut(), "the account from that address is, all the same"
    guarded.clock.advance(500)
    assert not guarded.shut(address="192.0.2.200")


def test_trust_ends(guarded: Guarded) -> None:
    guarded.guard.succeeded("bob@local.example", Peer(address="192.0.2.9"))
    guarded.clock.advance(1_001)
    for number in range(20):
        guarded.guess(1, address=f"192.0.2.{number + 1}", account=f"user{number}@local.example")
    assert guarded.shut(address="192.0.2.200")


def test_a_good_login_forgives_the_accounts_failures(guarded: Guarded) -> None:
    guarded.guess(4)
    guarded.guard.succeeded(ANN, Peer(address="192.0.2.7"))
    guarded.guess(4, start=10)
    assert not guarded.shut()


def test_limits_above_a_thousand_hold_too() -> None:
    guarded = Guarded(GuardLimits(window=600, per_block=2_000, per_account_and_address=1_500))
    guarded.guess(1_499)
    assert not guarded.shut()
    guarded.guess(1, start=1_499)
    assert guarded.shut()


def test_zero_switches_a_limit_off() -> None:
    guarded = Guarded(GuardLimits(window=600, per_block=0, per_account_and_address=0))
    guarded.guess(500)
    assert not guarded.shut()


@pytest.mark.parametrize(
    ("inside", "beside"),
    [("192.0.2.{}", "192.0.3.1"), ("2001:db8:0:1::{}", "2001:db8:0:2::1")],
)
def test_refusals_of_a_block_are_answered_later_each_time(guarded: Guarded, inside: str, beside: str) -> None:
    refused = [guarded.guard.refused(Peer(address=inside.format(number + 1))) for number in range(250)]
    assert refused[:5] == [1, 2, 4, 8, 8] and refused[-1] == 8
    assert guarded.guard.refused(Peer(address=beside)) == 1


def test_refusals_are_forgotten_some_minutes_after_the_last(guarded: Guarded) -> None:
    peer = Peer(address="192.0.2.7")
    for delay in (1, 2, 4, 8):
        assert guarded.guard.refused(peer) == delay
        guarded.clock.advance(299)
    guarded.clock.jump(86_400 * 365)
    assert guarded.guard.refused(peer) == 8, "setting the wall clock changes nothing"
    guarded.clock.advance(300)
    assert guarded.guard.refused(peer) == 1


def test_a_good_login_takes_nothing_from_the_delay_of_its_block(guarded: Guarded) -> None:
    peer = Peer(address="192.0.2.7")
    assert [guarded.guard.refused(peer) for _ in range(3)] == [1, 2, 4]
    guarded.guard.succeeded("mallory@local.example", peer)
    assert guarded.guard.refused(peer) == 8


def test_the_delays_of_so_many_blocks_are_kept_and_the_oldest_are_forgotten() -> None:
    guarded = Guarded(GuardLimits(delayed_blocks=3))
    peers = [Peer(address=f"10.0.{number}.1") for number in range(4)]
    assert [guarded.guard.refused(peer) for peer in (*peers[:3], peers[0], peers[3])] == [1, 1, 1, 2, 1]
    assert [guarded.guard.refused(peer) for peer in (peers[0], peers[1])] == [4, 1]


def test_memory_is_bounded(guarded: Guarded) -> None:
    for number in range(1_000):
        guarded.guess(1, address=f"10.{number // 250}.{number % 250}.1", account=f"user{number}@local.example")
        guarded.guard.succeeded(ANN, Peer(address=f"10.{number // 250}.{number % 250}.1"))
    assert max(len(table) for table in (guarded.guard._failures, guarded.guard._wrong, guarded.guard._trusted)) <= 50
