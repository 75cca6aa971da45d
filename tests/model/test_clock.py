"""The machine's clocks, and one that nobody has set."""

from __future__ import annotations

import time

import pytest

from xtramail.model.clock import FIRST_SECOND, SystemClock, day_of


def test_the_machines_clock_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_000_000.5)
    assert SystemClock().now() == 1_795_000_000.5


def test_a_clock_that_was_never_set_shows_days_of_ours_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 60.0)
    first = SystemClock().now()
    assert first >= FIRST_SECOND and day_of(first) >= 1
    monkeypatch.setattr(time, "monotonic", lambda: first - FIRST_SECOND + 5)
    assert SystemClock().now() == first + 5
