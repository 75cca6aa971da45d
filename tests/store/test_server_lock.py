"""One server for one store."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xtramail.model.errors import StoreBusy
from xtramail.store.server_lock import NAME, ServerLock, is_held

HOLD = """
import sys
from pathlib import Path
from xtramail.store.server_lock import ServerLock
lock = ServerLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreBusy, match=f"process {holder.pid}"):
            ServerLock(tmp_path)
        assert is_held(tmp_path)
        holder.kill()
        holder.wait()
    # The kernel lets go with the process, whatever killed it.
    with ServerLock(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_who_only_asks_at_that_moment_does_not_keep_a_server_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ServerLock(tmp_path).release()
    asking = os.open(tmp_path / NAME, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    waits: list[float] = []

    def asked(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            os.close(asking)

    monkeypatch.setattr(time, "sleep", asked)
    with ServerLock(tmp_path):
        assert is_held(tmp_path) and waits[1] > 0


def test_nobody_holds_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "nowhere")


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = ServerLock(tmp_path)
    lock.release()
    lock.release()
