"""What systemd is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from xtramail.app.notify import Notifier


def test_the_supervisor_is_told_in_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).tell("READY=1", "STATUS=serving")
        assert supervisor.recv(100) == b"READY=1\nSTATUS=serving"


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        # Such names are the whole machine's.
        supervisor.bind(f"\0xtramail-notify-test-{os.getpid()}")
        Notifier({"NOTIFY_SOCKET": f"@xtramail-notify-test-{os.getpid()}"}).tell("READY=1")
        assert supervisor.recv(100) == b"READY=1"


def test_a_supervisor_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(2_000):
            notifier.tell("WATCHDOG=1")
        assert supervisor.recv(100) == b"WATCHDOG=1"


def test_without_a_listener_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


def test_signs_of_life_come_four_times_in_the_time_that_systemd_waits(tmp_path: Path) -> None:
    clock: Any = Clock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        Notifier({**environ, "WATCHDOG_PID": str(os.getpid())}).live(clock)
        clock.pump([15] * 4)
        supervisor.setblocking(False)
        assert [supervisor.recv(100) for _ in range(5)] == [b"WATCHDOG=1"] * 5
        with pytest.raises(BlockingIOError):
            supervisor.recv(100)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "60000000"},
        {"NOTIFY_SOCKET": "/nowhere"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_waits_for_signs_of_life(environ: dict[str, str]) -> None:
    clock: Any = Clock()
    Notifier(environ).live(clock)
    assert not clock.getDelayedCalls()
