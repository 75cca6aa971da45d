"""A call that comes once for many wishes."""

from __future__ import annotations

from twisted.internet.task import Clock

from xtramail.net.soon import Soon


def test_it_comes_once_for_all_who_asked_and_never_at_once() -> None:
    clock, came = Clock(), list[int]()
    soon = Soon(clock, lambda: came.append(1))
    soon.ask()
    soon.ask()
    assert soon.asked
    assert not came
    clock.advance(0)
    assert came == [1]
    assert not soon.asked


def test_it_can_be_asked_for_again_from_within() -> None:
    clock, left = Clock(), [3]

    def come() -> None:
        left[0] -= 1
        if left[0]:
            soon.ask()

    soon = Soon(clock, come)
    soon.ask()
    for _ in range(3):
        clock.advance(0)
    assert left == [0]
    assert not clock.getDelayedCalls()


def test_stopped_it_does_not_come() -> None:
    clock, came = Clock(), list[int]()
    soon = Soon(clock, lambda: came.append(1))
    soon.ask()
    soon.stop()
    clock.advance(0)
    assert not came
    assert not soon.asked
