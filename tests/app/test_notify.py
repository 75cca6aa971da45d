"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

from xtramail.app.notify import Notifier


def test_the_supervisor_is_told_in_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).tell("READY=1", "STATUS=serving")
        assert supervisor.recv(100) == b"READY=1\nSTATUS=serving"


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind("\0xtramail-notify-test")
        Notifier({"NOTIFY_SOCKET": "@xtramail-notify-test"}).tell("READY=1")
        assert supervisor.recv(100) == b"READY=1"


def test_without_a_listener_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).tell("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
