"""One server for one store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xtramail.model.errors import StoreBusy
from xtramail.store.server_lock import ServerLock, is_held

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


def test_nobody_holds_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "nowhere")


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = ServerLock(tmp_path)
    lock.release()
    lock.release()
