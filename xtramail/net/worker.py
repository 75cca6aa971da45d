"""A bounded pool of threads for password hashes: the one kind of work here that takes a quarter of a second.

Bounded in all and for each account and address block, so that a guesser's queue is his own. What waits too long fails
with LoginBusy: a temporary failure, never to be shown as a wrong password.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.python.threadpool import ThreadPool

from xtramail.model.errors import LoginBusy
from xtramail.model.pending import Pending

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """``threads`` at work; ``queue`` waiting or at work in all, ``each`` of one client; ``wait`` in seconds."""

    threads: int
    queue: int = 1024
    each: int = 4
    wait: float = 30.0


class ThreadWorker(Service):
    """``directory.login.Worker``; its threads live as long as the service runs."""

    def __init__(self, reactor: Any, settings: WorkerSettings) -> None:
        self._reactor = reactor
        self._settings = settings
        self._waiting: Counter[str] = Counter()
        self._pending: set[Pending[Any]] = set()
        self._stopping = False
        self._pool = ThreadPool(minthreads=0, maxthreads=settings.threads, name="passwords")

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._pool.start()

    def stopService(self) -> None:
        """Fails what waits; what is at work ends first (a quarter of a second)."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._stopping = True
        for pending in list(self._pending):
            pending.fail(LoginBusy())
        self._pool.stop()

    @property
    def waiting(self) -> int:
        return self._waiting.total()

    def submit(self, who: str, work: Callable[[], T]) -> Pending[T]:
        """See ``directory.login.Worker.submit``."""
        if self._stopping or self._waiting.total() >= self._settings.queue or self._waiting[who] >= self._settings.each:
            return Pending.failed(LoginBusy())
        self._waiting[who] += 1
        pending: Pending[T] = Pending()
        self._pending.add(pending)
        pending.when_done(self._pending.discard)

        def give_up() -> None:
            if not pending.done:
                pending.fail(LoginBusy())

        late = self._reactor.callLater(self._settings.wait, give_up)

        def finished(success: bool, result: Any) -> None:
            self._reactor.callFromThread(settle, success, result)

        def settle(success: bool, result: Any) -> None:
            self._waiting[who] -= 1
            if self._waiting[who] <= 0:
                del self._waiting[who]
            if late.active():
                late.cancel()
            if pending.done:
                return
            if success:
                pending.settle(result)
            else:
                pending.fail(result.value)

        def still_wanted() -> T | None:
            # Nobody waits for it any more: the thread is for those who do.
            return None if self._stopping or pending.done else work()

        self._pool.callInThreadWithCallback(finished, still_wanted)
        return pending
