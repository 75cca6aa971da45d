"""When a deferred message is tried again."""

from __future__ import annotations

import pytest

from xtramail.delivery.backoff import Timetable

TABLE = Timetable(steps=(60.0, 120.0, 1_800.0), jitter=0.2)


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 60), (1, 60), (2, 120), (3, 1_800), (4, 1_800), (999, 1_800)])
def test_the_last_step_repeats(attempts: int, seconds: float) -> None:
    assert TABLE.next_attempt(attempts=attempts, now=1_000.0, chance=0.5) == 1_000 + seconds


def test_chance_keeps_to_its_share() -> None:
    assert TABLE.next_attempt(attempts=1, now=0, chance=0.0) == pytest.approx(48)
    assert TABLE.next_attempt(attempts=1, now=0, chance=1.0) == pytest.approx(72)
