from __future__ import annotations

from twisted.internet.task import Clock

from xtramail.model.errors import BadCredentials, LoginBusy
from xtramail.net.deadline import Deadline
from xtramail.net.smtp_login import BAD_LOGIN, LOGIN_BUSY
from xtramail.net.smtp_pace import TextPace


def test_a_deadline_that_is_moved_rings_once_at_its_last_moment() -> None:
    clock, rung = Clock(), list[float]()
    deadline = Deadline(clock, lambda: rung.append(clock.seconds()))
    deadline.set_in(10)
    clock.advance(9)
    deadline.set_in(10)
    assert len(clock.getDelayedCalls()) == 1
    clock.pump([1] * 30)
    assert rung == [19.0]


def test_a_deadline_can_be_moved_nearer() -> None:
    clock, rung = Clock(), list[float]()
    deadline = Deadline(clock, lambda: rung.append(clock.seconds()))
    deadline.set_in(300)
    deadline.set_in(5)
    clock.pump([1] * 10)
    assert rung == [5.0]
    assert clock.getDelayedCalls() == []


def test_a_cleared_deadline_does_not_ring_and_a_stopped_one_leaves_nothing() -> None:
    clock, rung = Clock(), list[float]()
    deadline = Deadline(clock, lambda: rung.append(clock.seconds()))
    deadline.set_in(5)
    deadline.clear()
    clock.pump([1] * 10)
    deadline.set_in(5)
    deadline.stop()
    assert clock.getDelayedCalls() == []
    assert rung == []


def test_a_text_is_measured_after_its_grace() -> None:
    pace = TextPace(grace=60, octets_per_second=500)
    pace.begin(100.0)
    assert pace.left(100.0) == 60
    pace.arrived(5_000)
    assert pace.left(160.0) == 10
    assert pace.left(171.0) == 0
    pace.held_up(30)
    assert pace.left(171.0) == 29
    assert TextPace(grace=60, octets_per_second=0).left(1e9) is None


def test_the_login_texts_are_the_ones_of_the_errors() -> None:
    assert BAD_LOGIN.lines == (BadCredentials().text,)
    assert LOGIN_BUSY.lines == (LoginBusy().text,)
