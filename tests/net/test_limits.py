"""Counts of connections per address, account and minute."""

from __future__ import annotations

import pytest

from xtramail.model.clock import SetClock
from xtramail.model.errors import LimitReached
from xtramail.model.peer import plain_address
from xtramail.net.limits import Limits, LimitSettings, address_block


@pytest.mark.parametrize(
    ("address", "plain", "block"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("/run/socket", "/run/socket", "/run/socket"),
    ],
)
def test_an_address_is_logged_plain_and_counts_by_its_block(address: str, plain: str, block: str) -> None:
    assert plain_address(address) == plain
    assert address_block(address) == block


def test_a_peer_may_hold_only_so_many_connections_that_are_not_logged_in() -> None:
    limits = Limits(LimitSettings(unauthenticated_per_address=2), SetClock())
    first = limits.admit("imap", "2001:db8::1")
    limits.admit("submission", "2001:db8::2")
    with pytest.raises(LimitReached):
        limits.admit("imap", "2001:db8::3")
    limits.admit("imap", "2001:db8:0:1::3")
    first.logged_in(7)
    limits.admit("imap", "2001:db8::3")


def test_an_account_may_hold_only_so_many_connections() -> None:
    limits = Limits(LimitSettings(logged_in_per_account=1), SetClock())
    first, second = limits.admit("imap", "192.0.2.1"), limits.admit("imap", "192.0.2.2")
    first.logged_in(7)
    with pytest.raises(LimitReached):
        second.logged_in(7)
    first.close()
    first.close()
    assert limits.connections("imap") == 1, "ended twice, it is gone once"
    second.logged_in(7)


def test_new_connections_are_counted_over_a_sliding_minute() -> None:
    clock = SetClock()
    limits = Limits(LimitSettings(new_per_minute=10, unauthenticated_per_address=0), clock)
    for _ in range(10):
        limits.admit("imap", "192.0.2.1").close()
    with pytest.raises(LimitReached):
        limits.admit("imap", "192.0.2.1")
    limits.admit("imap", "192.0.2.2")
    clock.advance(66)
    admitted = 0
    with pytest.raises(LimitReached):
        for _ in range(10):
            limits.admit("imap", "192.0.2.1")
            admitted += 1
    assert admitted == 1
    clock.advance(180)
    limits.admit("imap", "192.0.2.1")


def test_a_service_has_a_total_and_is_stressed_near_it() -> None:
    limits = Limits(LimitSettings(connections=5), SetClock())
    tickets = [limits.admit("imap", f"192.0.2.{n}") for n in range(4)]
    assert not limits.stressed("imap")
    tickets.append(limits.admit("imap", "192.0.2.9"))
    assert limits.stressed("imap")
    with pytest.raises(LimitReached):
        limits.admit("imap", "192.0.2.10")
    limits.admit("submission", "192.0.2.10")
    tickets[0].close()
    assert limits.connections("imap") == 4


def test_handshakes_of_one_address_take_turns_in_the_order_of_arrival() -> None:
    limits = Limits(LimitSettings(handshakes_per_address=1), SetClock())
    first, second, third, gone = (limits.admit("imap", "192.0.2.1") for _ in range(4))
    called: list[str] = []
    assert first.may_shake(lambda: called.append("first"))
    assert not gone.may_shake(lambda: called.append("gone"))
    assert not second.may_shake(lambda: called.append("second"))
    assert not third.may_shake(lambda: called.append("third"))
    gone.close()
    first.handshake_ended()
    first.handshake_ended()
    assert called == ["second"]
    second.close()
    assert called == ["second", "third"]
    third.close()
    assert limits.admit("imap", "192.0.2.1").may_shake(lambda: None)


def test_who_waits_for_his_turn_does_not_delay_another_address() -> None:
    limits = Limits(LimitSettings(handshakes_per_address=1), SetClock())
    answers = [limits.admit("imap", "192.0.2.1").may_shake(lambda: None) for _ in range(3)]
    assert answers == [True, False, False]
    assert limits.admit("imap", "192.0.2.2").may_shake(lambda: None)


def test_nought_switches_a_limit_off() -> None:
    settings = LimitSettings(
        connections=0,
        unauthenticated_per_address=0,
        new_per_minute=0,
        logged_in_per_account=0,
        handshakes_per_address=0,
    )
    limits = Limits(settings, SetClock())
    for _ in range(500):
        ticket = limits.admit("imap", "192.0.2.1")
        assert ticket.may_shake(lambda: None)
        ticket.logged_in(1)
    assert limits.connections("imap") == 500
