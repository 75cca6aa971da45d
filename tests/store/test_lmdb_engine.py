"""What only the engine on LMDB promises: durability, groups, other processes, and what happens when the disk fails."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import lmdb
import pytest

from tests.store.harness import Harness, Reader
from xtramail.model.bucket import PERMANENT, bucket_of
from xtramail.model.errors import NoSuchMailbox, StoreBusy, StoreFault, StoreFull
from xtramail.store import keys
from xtramail.store.engine import Engine, Txn
from xtramail.store.lmdb_engine import ROWS_AT_ONCE, LmdbEngine, open_environment, write_store
from xtramail.store.snapshot import SWEEP_SECONDS, SWEEP_STEP
from xtramail.store.writer import GROUP_JOBS, QUEUE_JOBS

USER = keys.user_scope(7)
DAY = bucket_of(2500, 16)


def put(key: bytes, value: bytes) -> Callable[[Txn], None]:
    return lambda txn: txn.put(PERMANENT, key, value)


def value_of(engine: Engine, key: bytes, scope: bytes = USER) -> bytes | None:
    return engine.read(scope, lambda snapshot: snapshot.get(PERMANENT, key))


# Opening.


def test_the_environment_is_opened_with_full_durability(tmp_path: Path) -> None:
    with open_environment(tmp_path, 1 << 30) as env:
        flags = env.flags()
        assert env.lib_version()[:2] == (0, 9)
        assert env.max_readers() == 1024
    assert flags["sync"] and flags["metasync"] and flags["lock"]
    assert not flags["writemap"] and not flags["map_async"]


def test_the_stores_files_are_private(tmp_path: Path) -> None:
    LmdbEngine(tmp_path / "store", create=True).close()
    for name in ("data.mdb", "lock.mdb"):
        assert (tmp_path / "store" / name).stat().st_mode & 0o077 == 0


def test_opening_twice_in_one_process_is_refused(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path, create=True)
    with pytest.raises(StoreFault, match="already open"):
        LmdbEngine(tmp_path)
    engine.close()
    engine.close()
    LmdbEngine(tmp_path).close()


def test_a_damaged_first_page_is_not_opened(tmp_path: Path) -> None:
    LmdbEngine(tmp_path, create=True).close()
    with (tmp_path / "data.mdb").open("r+b") as file:
        file.write(b"\xff" * 8192)
    with pytest.raises(StoreFault, match=str(tmp_path)):
        LmdbEngine(tmp_path)


NARROW = """
import resource, sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
engine = LmdbEngine(Path(sys.argv[1]), create=True)
engine.transact(b"s", lambda txn: txn.put(0, b"k", b"v")).result()
assert engine.free_bytes() < 3 << 30
print("open")
"""


def test_a_narrow_address_space_gets_a_smaller_map(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", NARROW, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("open\n", "")


# Groups.


class Gate:
    """A transaction function that keeps the writer thread busy until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, txn: Txn) -> None:
        self.entered.set()
        self._open.wait(90)

    def open(self) -> None:
        self._open.set()


def threaded(folder: Path) -> tuple[LmdbEngine, Reader]:
    reader = Reader()
    return LmdbEngine(folder, deliver=reader.deliver, create=True), reader


def test_what_gathers_during_a_commit_is_committed_as_one(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)
    gate = Gate()
    first = engine.transact(USER, gate)
    rest = [engine.transact(USER, put(bytes([number]), b"v")) for number in range(100)]
    gate.open()
    reader.wait(rest[-1])
    assert first.done and all(pending.done for pending in rest)
    assert engine.figures.jobs == 101
    assert engine.figures.groups == 1
    assert engine.lone_commit() == 0
    alone = engine.transact(USER, put(b"a", b"v"))
    reader.wait(alone)
    assert engine.lone_commit() == engine.newest_commit()
    engine.close()


def test_the_writer_begins_when_the_readers_turn_is_over(tmp_path: Path) -> None:
    turns: list[Callable[[], None]] = []
    reader = Reader()
    engine = LmdbEngine(tmp_path, deliver=reader.deliver, defer=turns.append, create=True)
    pendings = [engine.transact(USER, put(bytes([number]), b"v")) for number in range(3)]
    assert engine.figures.jobs == 0 and engine.waiting == 3
    (end_of_turn,) = turns
    end_of_turn()
    reader.wait(pendings[-1])
    assert (engine.figures.groups, engine.figures.jobs, engine.waiting) == (1, 3, 0)
    last = engine.transact(USER, put(b"l", b"v"))
    engine.close()
    assert last.done


def test_a_group_has_a_limit(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)
    gate = Gate()
    engine.transact(USER, gate)
    for number in range(2 * GROUP_JOBS):
        last = engine.transact(USER, put(b"%d" % number, b"v"))
    gate.open()
    reader.wait(last)
    assert engine.figures.groups == 3
    large = [engine.append_body(DAY, number, 0, [b"x" * 60_000] * 20) for number in range(10)]
    reader.wait(large[-1])
    assert engine.figures.groups >= 3 + 2
    engine.close()


def test_results_come_back_once_for_a_group(tmp_path: Path) -> None:
    calls: list[Callable[[], None]] = []
    engine = LmdbEngine(tmp_path, deliver=calls.append, create=True)
    gate = Gate()
    engine.transact(USER, gate)
    woken: list[int] = []
    engine.watch(USER, lambda: woken.append(1))
    pendings = [engine.transact(USER, put(b"%d" % number, b"v")) for number in range(50)]
    gate.open()
    engine.close()
    assert len(calls) == 1
    assert all(pending.done for pending in pendings)
    assert woken == [1]


def test_one_failing_job_takes_nothing_from_the_others_of_its_group(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)
    gate = Gate()
    engine.transact(USER, gate)

    def refuse(txn: Txn) -> None:
        txn.put(PERMANENT, b"half", b"done")
        raise NoSuchMailbox

    before = engine.transact(USER, put(b"before", b"v"))
    failing = engine.transact(USER, refuse)
    after = engine.transact(USER, put(b"after", b"v"))
    gate.open()
    reader.wait(after)
    assert before.done
    with pytest.raises(NoSuchMailbox):
        failing.result()
    assert engine.figures.groups == 1
    assert (value_of(engine, b"before"), value_of(engine, b"half"), value_of(engine, b"after")) == (b"v", None, b"v")
    engine.close()


def test_nothing_is_settled_and_nothing_seen_before_the_commit(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)
    gate = Gate()
    early = engine.transact(USER, put(b"k", b"v"))
    late = engine.transact_all([(USER, put(b"l", b"v")), (keys.QUEUE, gate)])
    assert not late.done
    assert value_of(engine, b"l") is None
    gate.open()
    reader.wait(late)
    assert early.done
    assert value_of(engine, b"l") == b"v"
    engine.close()


def test_closing_finishes_what_was_handed_over(tmp_path: Path) -> None:
    engine, _ = threaded(tmp_path)
    pendings = [engine.transact(USER, put(b"%d" % number, b"v")) for number in range(1000)]
    engine.close()
    assert all(pending.done and pending.result() is None for pending in pendings)
    with pytest.raises(StoreFault, match="closed"):
        engine.transact(USER, put(b"k", b"v")).result()
    again = LmdbEngine(tmp_path)
    assert len(again.read(USER, lambda snapshot: snapshot.range(PERMANENT, b"", b"\xff"))) == 1000
    again.close()


def test_too_much_waiting_is_refused_and_what_waits_is_kept(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)
    gate = Gate()
    engine.transact(USER, gate)
    assert gate.entered.wait(90)
    waiting = [engine.transact(USER, lambda txn: None) for _ in range(QUEUE_JOBS + 1)]
    assert engine.waiting == QUEUE_JOBS
    assert [pending.done for pending in waiting] == [False] * QUEUE_JOBS + [True]
    with pytest.raises(StoreBusy):
        waiting[-1].result()
    gate.open()
    reader.wait(waiting[QUEUE_JOBS - 1])
    engine.close()


# Commits that fail.

FAILING_COMMIT = """
import resource, sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
folder, reserve, mode = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
calls, alarms = [], []
deliver = calls.append if mode == "thread" else None
engine = LmdbEngine(folder, create=True, reserve=reserve, alarm=alarms.append, deliver=deliver)

def wait(pending):
    while not pending.done:
        while calls:
            calls.pop(0)()
    try:
        return pending.result()
    except Exception as error:
        return type(error).__name__

print(wait(engine.transact(b"s", lambda txn: txn.put(0, b"first", b"v"))))
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
size = (folder / "data.mdb").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
print(wait(engine.append_body(1 << 16 | 16, 1, 0, [b"x" * 60000] * 30)))
print(engine.read(b"s", lambda s: s.get(0, b"first")), engine.read_body(1 << 16 | 16, 1, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
print(wait(engine.transact(b"s", lambda txn: txn.put(0, b"second", b"v"))))
print(engine.read(b"s", lambda s: [key for key, _ in s.range(0, b"", b"z")]), len(alarms), engine.poll())
engine.close()
"""


@pytest.mark.parametrize("mode", ["inline", "thread"])
@pytest.mark.parametrize(("reserve", "error", "alarms"), [(0, "StoreFault", 1), (1 << 60, "StoreFull", 0)])
def test_a_failed_commit_fails_its_group_and_the_engine_goes_on(
    tmp_path: Path, mode: str, reserve: int, error: str, alarms: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAILING_COMMIT, str(tmp_path), str(reserve), mode],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "None",
        error,
        "b'v' None",
        "None",
        f"[b'first', b'second'] {alarms} False",
    ]


SMALL_BESIDE_LARGE = """
import resource, sys, threading
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
folder, calls, gate = Path(sys.argv[1]), [], threading.Event()
engine = LmdbEngine(folder, create=True, reserve=1 << 60, deliver=calls.append)

def told(pending):
    while not pending.done:
        while calls:
            calls.pop(0)()
    try:
        return pending.result()
    except Exception as error:
        return type(error).__name__

many = [b"%03d" % number for number in range(40)]
told(engine.transact(b"s", lambda txn: [txn.put(0, key, b"v" * 3000) for key in many] and None))
told(engine.transact(b"s", lambda txn: [txn.delete(0, key) for key in many] and None))
for _ in range(3):
    told(engine.transact(b"s", lambda txn: txn.put(0, b"first", b"v")))
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "data.mdb").stat().st_size, limit[1]))
held = engine.transact(b"s", lambda txn: gate.wait(90) and None)
group = [
    engine.transact(b"s", lambda txn: txn.put(0, b"before", b"v")),
    engine.append_body(1 << 16 | 16, 1, 0, [b"x" * 60000] * 30),
    engine.transact(b"s", lambda txn: txn.put(0, b"behind", b"v")),
]
gate.set()
print(*[told(one) for one in (held, *group)], engine.figures.failed_groups)
print(engine.read(b"s", lambda s: [key for key, _ in s.range(0, b"", b"z")]), engine.read_body(1 << 16 | 16, 1, 0))
engine.close()
"""


def test_on_a_full_disk_the_small_find_their_room_beside_a_large_one(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SMALL_BESIDE_LARGE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == ["None None StoreFull None 1", "[b'before', b'behind', b'first'] None"]


@pytest.mark.parametrize("make", ["lmdb", "lmdb-thread"])
def test_a_transaction_that_makes_nothing_of_a_full_map_is_refused_for_it(tmp_path: Path, make: str) -> None:
    harness = Harness(make, tmp_path, map_size=4 << 20, reserve=0)

    def careless(txn: Txn) -> None:
        txn.put(PERMANENT, b"first", b"v")
        with suppress(StoreFull):
            for number in range(1_000):
                txn.put(PERMANENT, b"%d" % number, bytes(60_000))

    with pytest.raises(StoreFull):
        harness.done(harness.engine.transact(USER, careless))
    assert value_of(harness.engine, b"first") is None
    harness.done(harness.engine.transact(USER, put(b"small", b"v")))
    assert value_of(harness.engine, b"small") == b"v"


@pytest.mark.parametrize("make", ["lmdb", "lmdb-thread"])
def test_an_environment_that_became_unusable_is_opened_again(tmp_path: Path, make: str) -> None:
    """As LMDB's is when a meta page could not be written; closing it behind the engine's back shows the same."""
    alarms: list[str] = []
    harness = Harness(make, tmp_path, alarm=alarms.append, reserve=0)
    engine = harness.engine
    assert isinstance(engine, LmdbEngine)
    harness.done(engine.transact(USER, put(b"before", b"v")))
    engine._env.close()
    with pytest.raises(StoreFault):
        value_of(engine, b"before")
    with pytest.raises(StoreFault):
        harness.done(engine.transact(USER, put(b"during", b"v")))
    harness.done(engine.transact(USER, put(b"after", b"v")))
    values = [value_of(engine, key) for key in (b"before", b"during", b"after")]
    assert values == [b"v", None, b"v"]
    assert len(alarms) == 1
    engine.close()


# Other processes.

STRANGER = """
import sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
for line in sys.stdin:
    engine.transact(b"u00000007", lambda txn: txn.put(0, line.strip().encode(), b"stranger")).result()
    print("written", flush=True)
engine.close()
"""


def tell(process: subprocess.Popen[str], line: str) -> None:
    stdin: IO[str] | None = process.stdin
    stdout: IO[str] | None = process.stdout
    assert stdin is not None and stdout is not None
    stdin.write(line + "\n")
    stdin.flush()
    assert stdout.readline() == "written\n"


def test_what_another_process_wrote_makes_stale_what_is_known_of_domains_at_once_and_until_it_is_told(
    tmp_path: Path,
) -> None:
    engine = LmdbEngine(tmp_path, create=True)
    known = engine.domain_writes()
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as stranger:
        tell(stranger, "one")
        seen = engine.domain_writes()
        assert known < seen < engine.domain_writes()
        # Behind a commit of ours, too, and although nobody looked in between.
        engine.poll()
        known = engine.domain_writes()
        tell(stranger, "two")
        engine.transact(USER, put(b"ours", b"v")).result()
        assert engine.domain_writes() > known
        tell(stranger, "three")
        engine.poll()
        told = engine.domain_writes()
        assert told == engine.domain_writes() > known
        assert stranger.stdin is not None
        stranger.stdin.close()
        assert stranger.wait(30) == 0
    engine.close()


@pytest.mark.parametrize("make", ["lmdb", "lmdb-thread"])
def test_another_processs_commit_is_noticed_and_wakes_everybody(tmp_path: Path, make: str) -> None:
    harness = Harness(make, tmp_path)
    engine = harness.engine
    woken: list[str] = []
    engine.watch(keys.QUEUE, lambda: woken.append("queue"))
    harness.done(engine.transact(USER, put(b"ours", b"v")))
    assert engine.poll() is False
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as stranger:
        tell(stranger, "one")
        assert value_of(engine, b"one") == b"stranger"
        assert (engine.poll(), engine.poll()) == (True, False)
        assert woken == ["queue"]
        # Between two of ours it would hide behind our newer number.
        tell(stranger, "two")
        harness.done(engine.transact(USER, put(b"ours", b"w")))
        assert (engine.poll(), engine.poll()) == (True, False)
        tell(stranger, "three")
        assert (engine.poll(), engine.poll()) == (True, False)
        assert stranger.stdin is not None
        stranger.stdin.close()
        assert stranger.wait(90) == 0
    assert [value_of(engine, key) for key in (b"one", b"two", b"three")] == [b"stranger"] * 3
    engine.close()


BUSY_STRANGER = """
import sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
for number in range(100):
    engine.transact(b"u00000007", lambda txn: txn.put(0, b"n", b"%d" % number)).result()
engine.close()
"""


def test_no_commit_is_told_of_before_reads_show_it(tmp_path: Path) -> None:
    """Whoever is woken looks once: what he cannot see yet he would never see."""
    engine = LmdbEngine(tmp_path, create=True)
    early = looks = 0
    with subprocess.Popen([sys.executable, "-c", BUSY_STRANGER, str(tmp_path)]) as stranger:
        while stranger.poll() is None:
            told = engine.newest_commit()
            early += engine.read(keys.user_scope(7), lambda snap: snap.commit_number()) < told
            looks += 1
        assert stranger.wait(90) == 0
    assert (early, looks > 0, engine.newest_commit() >= 100) == (0, True, True)
    engine.close()


MIXED = """
import sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
def count(txn):
    value = int.from_bytes(txn.get(0, b"count") or b"", "big") + 1
    txn.put(0, b"count", value.to_bytes(4, "big"))
for number in range(300):
    engine.transact(b"u00000007", count).result()
engine.close()
"""


def test_two_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    engine, reader = threaded(tmp_path)

    def count(txn: Txn) -> None:
        value = int.from_bytes(txn.get(PERMANENT, b"count") or b"", "big") + 1
        txn.put(PERMANENT, b"count", value.to_bytes(4, "big"))

    with subprocess.Popen([sys.executable, "-c", MIXED, str(tmp_path)]) as other:
        mine = 0
        while other.poll() is None or mine < 300:
            reader.wait(engine.transact(USER, count))
            mine += 1
        assert other.returncode == 0
    assert engine.poll() is True
    assert value_of(engine, b"count") == (300 + mine).to_bytes(4, "big")
    engine.close()


STALE = """
import os, signal, sys
import lmdb
env = lmdb.open(sys.argv[1], map_size=1 << 30)
txn = env.begin()
txn.get(b"k")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_readers_of_killed_processes_are_cleared(tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path, create=True)
    subprocess.run([sys.executable, "-c", STALE, str(tmp_path)], check=False)
    assert engine.clear_stale_readers() == 1
    assert engine.clear_stale_readers() == 0
    engine.close()


# Killed.

WRITES = """
import sys, threading
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
calls, ready = [], threading.Condition()
def deliver(call):
    with ready:
        calls.append(call)
        ready.notify()
engine = LmdbEngine(Path(sys.argv[1]), create=True, deliver=deliver)
def write(number):
    def part(txn):
        txn.put(0, b"%06d" % number, b"x" * 200)
    body = engine.append_body(1 << 16 | 16, number, 0, [b"y" * 10000])
    both = engine.transact_all([(b"u1", part), (b"q0", part)])
    both.when_done(lambda settled: print(number, flush=True) if settled.result() is not None else None)
for number in range(400):
    write(number)
    with ready:
        while len(calls) == 0 and number % 20 == 19:
            ready.wait(90)
        todo = calls[:]
        del calls[:]
    for call in todo:
        call()
engine.close()
"""


@pytest.mark.parametrize(
    "moment",
    ["writer.in-group:1", "writer.in-group:333", "writer.before-commit:7", "writer.after-commit:7", "never"],
)
def test_a_killed_writer_keeps_what_was_acknowledged_and_nothing_by_halves(tmp_path: Path, moment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WRITES, str(tmp_path)],
        env={**os.environ, "XTRAMAIL_CRASH_AT": moment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stderr == ""
    assert ended.returncode == (0 if moment == "never" else -signal.SIGKILL)
    acknowledged = {int(line) for line in ended.stdout.split()}
    engine = LmdbEngine(tmp_path)
    kept = []
    for scope in (b"u1", b"q0"):
        rows = engine.read(scope, lambda snapshot: snapshot.range(PERMANENT, b"", b"\xff"))
        kept.append({int(key) for key, _ in rows})
    assert kept[0] == kept[1]
    assert acknowledged <= kept[0]
    assert all(engine.read_body(bucket_of(1, 16), number, 0) == b"y" * 10_000 for number in kept[0])
    assert kept[0] == set(range(len(kept[0])))
    engine.transact(USER, put(b"k", b"v")).result()
    engine.close()


def test_a_store_of_a_foreign_format_number_is_not_touched(tmp_path: Path) -> None:
    """The engine opens LMDB 0.9 files only: another data format is refused, not converted."""
    with lmdb.open(str(tmp_path), lib_version=1, map_size=1 << 30) as env, env.begin(write=True) as txn:
        txn.put(b"k", b"v")
    with pytest.raises(StoreFault):
        LmdbEngine(tmp_path)


def test_of_a_row_that_comes_twice_the_first_is_written(tmp_path: Path) -> None:
    """What salvage finds alone on a page may be older than what it found in the tree."""
    others = [(b"k%d" % number, b"v") for number in range(ROWS_AT_ONCE)]
    assert write_store(tmp_path, [(b"k", b"new"), (b"k", b"old"), *others, (b"k", b"oldest")]) == 1 + len(others)
    engine = LmdbEngine(tmp_path)
    assert engine.stored_rows(b"k", 1) == [(b"k", b"new")]
    engine.close()


def test_a_sweep_that_takes_long_ends_with_what_it_has(tmp_path: Path) -> None:
    now = itertools.count(0.0, 0.6 * SWEEP_SECONDS)
    engine = LmdbEngine(tmp_path, create=True, clock=lambda: next(now))

    def fill(txn: Txn) -> None:
        txn.put_all(DAY, [(number.to_bytes(2, "big"), b"x") for number in range(5 * SWEEP_STEP)])

    engine.transact(USER, fill).result()
    engine.drop_bucket(DAY, 1_000).result()
    steps = [engine.sweep_bucket(DAY, 5 * SWEEP_STEP).result() for _ in range(4)]
    engine.close()
    assert steps == [2 * SWEEP_STEP, 2 * SWEEP_STEP, SWEEP_STEP, 0]
