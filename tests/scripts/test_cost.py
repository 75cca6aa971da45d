"""What a server costs is counted right, whoever of its processes has ended meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from scripts.benchmarks.side_by_side.cost import disk, disk_written, family, processor_seconds

BURN = """
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""
MASTER = f"""
import os, sys, time
{BURN}
def child(seconds, then=lambda: None):
    pid = os.fork()
    if pid == 0:
        burn(seconds)
        then()
        os._exit(0)
    return pid
def waits_for_its_own():
    os.waitpid(child(0.2), 0)
for _ in range(3):
    os.waitpid(child(0.1), 0)
os.waitpid(child(0.1, waits_for_its_own), 0)
def rests():
    print("done", flush=True)
    time.sleep(60)
living = child(0.2, rests)
burn(0.1)
print("done", flush=True)
sys.stdin.read()
os.kill(living, 9)
os.waitpid(living, 0)
"""


def test_children_are_counted_while_they_live_and_when_they_have_ended() -> None:
    own = time.process_time()
    command = [sys.executable, "-S", "-c", MASTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as master:
        assert master.stdout is not None and master.stdin is not None
        # Both of those that live: who rests first is the machine's affair.
        assert [master.stdout.readline() for _ in range(2)] == [b"done\n"] * 2
        # 0.3 of children, 0.3 of a child with a grandchild, 0.2 of one that lives, 0.1 of its own; and Python's start.
        spent = processor_seconds(master.pid)
        assert 0.87 <= spent < 1.4
        assert len(family(master.pid)) == 2
        assert processor_seconds(master.pid) - spent < 0.1, "a family that waits costs nothing"
        master.stdin.close()
        master.wait()
    assert processor_seconds(master.pid) == 0.0
    assert time.process_time() - own < 5.0


def test_two_families_are_counted_together() -> None:
    command = [sys.executable, "-S", "-c", f"import sys, time\n{BURN}\nburn(0.2)\nprint(flush=True)\nsys.stdin.read()"]
    pair = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for one in pair:
            assert one.stdout is not None
            one.stdout.readline()
        first, second = (one.pid for one in pair)
        assert processor_seconds(first, second) >= 0.4
        assert abs(processor_seconds(first) + processor_seconds(second) - processor_seconds(first, second)) < 0.05
    finally:
        for one in pair:
            one.communicate()


def test_files_are_counted_by_the_blocks_they_take(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "small").write_bytes(b"x")
    (tmp_path / "hole").touch()
    with (tmp_path / "hole").open("r+b") as file:
        file.truncate(1 << 30)
    assert 0 < disk(tmp_path) < 1 << 20


def test_what_the_disk_was_given_is_counted_where_there_is_one(tmp_path: Path) -> None:
    before = disk_written(tmp_path)
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(4 << 20))
        file.flush()
        os.fsync(file.fileno())
    after = disk_written(tmp_path)
    # A file system of other kinds, such as one in memory, has no disk below it.
    assert (before is None) == (after is None)
    assert before is None or after is None or after - before >= 4 << 20
    assert disk_written(Path("/proc")) is None
