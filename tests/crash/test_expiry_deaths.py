"""Killed in the middle of expiry, the next one goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.crash.load import prepared
from tests.journeys.conftest import ANN
from tests.journeys.harness import PROGRAMS, Installation, after_trace, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.journeys.test_expiry import moved_by

POINTS = (
    "retention.before-drop",
    "retention.after-drop",
    "retention.sweeping",
    "writer.before-commit:2",
)


@pytest.mark.parametrize("point", POINTS)
def test_an_expiry_that_was_killed_is_finished_by_the_next(tmp_path: Path, point: str) -> None:
    with ScriptedPrimary() as primary:
        server = Installation(tmp_path / "server", settings=("relay.hold-days=60",)).init()
        prepared(server, primary).start()
        primary.refuse()
        sent = [mail(number) for number in range(3)]
        for message in sent:
            server.send(message, ANN)
        server.stop()

        later = {**os.environ, **moved_by(31)}
        died = subprocess.run(
            [str(PROGRAMS / "xtramail"), "--config", str(server.config), "expire", "--confirm"],
            env={**later, "XTRAMAIL_CRASH_AT": point}, capture_output=True, timeout=240,
        )  # fmt: skip
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert server.command("verify")["findings"] == []
        server.command("expire", "--confirm", environment=moved_by(31))
        assert server.command("verify")["findings"] == []

        server.environment = moved_by(31)
        server.start()
        with server.imap(ANN) as client:
            assert fetched(client) == []
        assert len(server.queue()) == 3, "what is not handed on yet is kept for that"
        began = server.log_end()
        primary.accept()
        server.told("recipient-delivered", since=began, count=3)
        assert sorted(after_trace(b"Return-Path: <>\r\n" + one.octets) for one in primary.messages) == sent
        server.close()
