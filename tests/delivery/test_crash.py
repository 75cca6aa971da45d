"""Killed at each named moment of taking mail in: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery.world import World
from tests.source_tree import ROOT
from xtramail.model.outcome import Fate
from xtramail.store.lmdb_engine import LmdbEngine

POINTS = ["intake.first-chunk", "intake.before-commit", "intake.after-commit", "intake.before-reply"]


def run_until_killed(store: Path, crash_at: str) -> list[int]:
    """The ids that were acknowledged before the end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.delivery.crash_child", str(store)],
        cwd=ROOT,
        env={**os.environ, "XTRAMAIL_CRASH_AT": crash_at, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("count", [1, 4])
def test_what_was_acknowledged_is_there_and_the_rest_is_whole_or_absent(
    tmp_path: Path, point: str, count: int
) -> None:
    acknowledged = run_until_killed(tmp_path / "store", f"{point}:{count}")
    assert len(acknowledged) == count - 1
    engine = LmdbEngine(tmp_path / "store")
    try:
        world = World(engine=engine)
        durable = count - 1 + (point in ("intake.after-commit", "intake.before-reply"))
        inboxes = world.mailbox(world.ann), world.mailbox(world.bob), world.mailbox(world.ray)
        received, submitted = (durable + 1) // 2, durable // 2
        assert [len(rows) for rows in inboxes] == [received, submitted, received]
        assert len(world.mailbox(world.ann, "Sent")) == submitted
        assert len(world.queue()) == durable
        for rows in inboxes:
            for row in rows:
                assert world.octets(row).endswith(b"text\r\n" * 60_000)
        for message_id in acknowledged:
            fates = {row.fate for row in world.ledger(message_id).values()}
            assert fates == {Fate.DELIVERED, Fate.HELD}
        assert world.balanced()
    finally:
        engine.close()
