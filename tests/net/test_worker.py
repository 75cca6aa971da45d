"""Password work in threads: bounded, fair, and never answered by a wrong password when it is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import Clock

from tests.net.scripted_host import passed
from xtramail.model.errors import LoginBusy
from xtramail.model.pending import Pending
from xtramail.net.adapter import deferred
from xtramail.net.worker import ThreadWorker, WorkerSettings


class SlowTime(Clock):
    """Time that passes when it is told to; threads are the real ones."""

    callFromThread = staticmethod(reactor.callFromThread)


@contextmanager
def working(gate: threading.Event | None = None, clock: Any = reactor, **settings: float) -> Iterator[ThreadWorker]:
    """``gate``: what work waits for; it is open at the end, however that comes, or the threads would never end."""
    worker = ThreadWorker(clock, WorkerSettings(**{"threads": 1, **settings}))  # type: ignore[arg-type]
    worker.startService()
    try:
        yield worker
    finally:
        if gate is not None:
            gate.set()
        if worker.running:
            worker.stopService()


def busy(pending: Pending[object]) -> bool:
    if not pending.done:
        return False
    try:
        pending.result()
    except LoginBusy:
        return True
    return False


@ensureDeferred
async def test_work_is_done_in_another_thread_and_settled_in_ours() -> None:
    with working() as worker:
        pending = worker.submit("ann", threading.get_ident)
        settled: list[int] = []
        pending.when_done(lambda _: settled.append(threading.get_ident()))
        assert await deferred(pending) != threading.get_ident()
        assert settled == [threading.get_ident()] and worker.waiting == 0


@ensureDeferred
async def test_what_the_work_raises_is_its_result() -> None:
    with working() as worker:
        with pytest.raises(ZeroDivisionError):
            await deferred(worker.submit("ann", lambda: 1 // 0))
        assert await deferred(worker.submit("ann", lambda: 2)) == 2


@ensureDeferred
async def test_each_client_has_so_many_places_and_all_together_so_many() -> None:
    gate = threading.Event()
    with working(gate, each=2, queue=5) as worker:
        mine = [worker.submit("ann", gate.wait) for _ in range(3)]
        assert [busy(one) for one in mine] == [False, False, True]  # type: ignore[arg-type]
        others = [worker.submit(f"u{number}", gate.wait) for number in range(4)]
        assert [busy(one) for one in others] == [False, False, False, True]  # type: ignore[arg-type]
        gate.set()
        for one in (*mine[:2], *others[:3]):
            assert await deferred(one)
        assert worker.waiting == 0
        assert await deferred(worker.submit("ann", lambda: "again")) == "again"


@ensureDeferred
async def test_who_waits_too_long_is_told_busy_and_his_work_is_not_done() -> None:
    gate, clock, done = threading.Event(), SlowTime(), []
    with working(gate, clock, wait=30) as worker:
        first = worker.submit("ann", gate.wait)
        second = worker.submit("bob", lambda: done.append("bob"))
        clock.advance(29)
        assert not first.done and not second.done
        clock.advance(1)
        assert busy(first) and busy(second)  # type: ignore[arg-type]
        assert worker.waiting == 2, "the place is taken until the thread is free"
        gate.set()
        while worker.waiting:
            await passed(0.01)
        assert done == []


def open_after(failed: Pending[bool], gate: threading.Event) -> None:
    """Not by the clock: the work must be under way when the others have failed."""
    while not failed.done:
        time.sleep(0.001)
    gate.set()


@ensureDeferred
async def test_stopping_fails_what_waits_and_does_not_work_it_off() -> None:
    gate, done = threading.Event(), []
    with working(queue=100, each=100) as worker:
        first = worker.submit("ann", gate.wait)
        others = [worker.submit("ann", lambda: done.append(1)) for _ in range(50)]
        threading.Thread(target=open_after, args=(others[-1], gate)).start()
        worker.stopService()
        assert all(busy(one) for one in (first, *others)) and done == []  # type: ignore[arg-type]
        assert busy(worker.submit("ann", lambda: 1))
        await passed(0.05)
