"""The hook that lets tests kill a process at a named moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from xtramail.telemetry.crashpoint import CrashPoint

PASSES = """
from xtramail.telemetry.crashpoint import reach
for number in range(5):
    print(number, flush=True)
    reach("here")
    reach("there")
"""


def run(setting: str | None) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name != "XTRAMAIL_CRASH_AT"}
    if setting is not None:
        environment["XTRAMAIL_CRASH_AT"] = setting
    ended = subprocess.run([sys.executable, "-c", PASSES], env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout.replace("\n", "")


def test_nothing_happens_unless_asked_for() -> None:
    assert run(None) == (0, "01234")
    assert run("elsewhere") == (0, "01234")


def test_it_strikes_at_the_first_pass_or_the_one_named() -> None:
    assert run("here") == (-signal.SIGKILL, "0")
    assert run("there:3") == (-signal.SIGKILL, "012")


@pytest.mark.parametrize("setting", ["here:0", "here:x"])
def test_a_count_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(ValueError):
        CrashPoint(setting)
