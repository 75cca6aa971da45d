"""Once in a while, with what was not said meanwhile, and of a bounded number of things."""

from __future__ import annotations

from xtramail.net.sparse import EVERY, MOST, Sparse


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_same_is_said_once_a_minute_with_the_number_of_those_between() -> None:
    time = Time()
    sparse = Sparse(clock=time)
    assert [sparse.due("ann") for _ in range(4)] == [0, None, None, None]
    assert sparse.due("ben") == 0
    time.now += EVERY
    assert [sparse.due("ann"), sparse.due("ann"), sparse.due("ben")] == [3, None, 0]


def test_whoever_comes_under_many_names_is_one_thing() -> None:
    time = Time()
    sparse = Sparse(clock=time)
    said = [sparse.due(number) for number in range(5 * MOST)]
    assert said.count(0) == MOST + 1
    time.now += EVERY
    assert sparse.due("ann") == 0, "and others are told of again"
