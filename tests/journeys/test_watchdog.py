"""A server that hangs gives no sign of life, and ended for that it says where it was (sd_notify(3), WatchdogSec=)."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.harness import Installation, eventually

PATIENCE = 2
"""Seconds that this supervisor waits."""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(90)
        yield one


@pytest.fixture
def watched(tmp_path: Path, supervisor: socket.socket) -> Iterator[Installation]:
    server = Installation(tmp_path / "server").init()
    server.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": f"{PATIENCE}000000"}
    yield server.start()
    if server.alive():
        server.kill()


def told(supervisor: socket.socket) -> str:
    return supervisor.recv(1000).decode()


def test_signs_of_life_come_while_the_server_serves_and_stay_out_while_it_hangs(
    watched: Installation, supervisor: socket.socket
) -> None:
    assert told(supervisor).startswith("READY=1\nSTATUS=serving")
    assert [told(supervisor) for _ in range(6)] == ["WATCHDOG=1"] * 6
    os.kill(watched.pid, signal.SIGSTOP)
    eventually(lambda: Path(f"/proc/{watched.pid}/stat").read_text().split()[2] == "T", what="it hangs")
    supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        while told(supervisor) == "WATCHDOG=1":
            """What came before."""
    supervisor.settimeout(PATIENCE)
    with pytest.raises(TimeoutError):
        told(supervisor)


def test_one_that_is_ended_for_it_says_where_each_thread_was(
    watched: Installation, supervisor: socket.socket
) -> None:
    assert told(supervisor).startswith("READY=1")
    asleep = Path(f"/proc/{watched.pid}/wchan")
    eventually(lambda: "poll" in asleep.read_text(), what="it waits for somebody who wants something")
    os.kill(watched.pid, signal.SIGABRT)
    assert watched.wait_for_death() == -signal.SIGABRT
    said = watched.log_text()
    assert "Fatal Python error: Aborted" in said
    assert 'xtramail/net/turns.py", line' in said and 'in doPoll' in said
    # The next start finds everything as it was.
    watched.start()
    assert watched.stop() == 0
