"""A week in the life of the server's process on a fast clock: it expires on time, loses nothing, and stays as it is.

``scripts/bench soak`` lives forty days. Bounds are those of a machine that has much else to do: a second here is more
than an hour there. The hour that expiry may take is held in ``tests/delivery/test_soak.py``, where no second passes.
"""

from __future__ import annotations

from pathlib import Path

from tests.journeys.fast_life import Life, Plan

A_WEEK = Plan(factor=6_000, days=6.0, retention=1, hold=2, outage_every=40 * 3_600.0)
EXPECTED_ALARMS = frozenset({"mail-at-risk"})
"""Mail that waits for two days at most is at risk from its first hour on."""
LATE = 12.0
"""Hours; seven seconds of the machine's."""


def test_a_week_of_constant_mail_leaves_the_server_as_it_was(tmp_path: Path) -> None:
    with Life(tmp_path, A_WEEK) as life:
        life.server.expected_alarms = EXPECTED_ALARMS
        life.run()
        life.promises(hours_late=LATE)
        growth = life.growth()
        file, wanted = life.room()
    # How much mail comes is the machine's affair: it is little where there is much else to do.
    assert file < 1.5 * wanted, (file, wanted)
    for name, most in (("memory", 1.25), ("descriptors", 1.5), ("threads", 2.0)):
        before, after = growth[name]
        assert after < before * most, (name, growth)
