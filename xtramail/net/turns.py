"""The reactor of the server's process: Twisted's on epoll, with less around each event, and an end to each turn.

Twisted gives every event a logging context of its own, a dozen calls that cost as much as reading a short command, for
a prefix that our log does not have. Owns that, the way from other threads into the reactor's, what is put off until
a turn is over, and how long turns take. All else is Twisted's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from math import inf
from time import monotonic, perf_counter, thread_time
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import installReactor
from zope.interface import implementer

from xtramail.telemetry import maillog

SLOW = 0.02
"""Seconds; longer turns are told to :attr:`TurnReactor.slow`."""
_REACTOR = "twisted.internet.reactor"
_WORK_READ = 0.01
"""Seconds for which a reading of the thread's CPU time is good enough: it costs six times as much as the clock's."""


@implementer(IReadDescriptor)
class Waker:
    """Wakes the reactor from another thread or from a signal's handler: one octet through a pipe."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wakeUp(self) -> None:
        """In any thread. A full pipe wakes as well."""
        try:
            os.write(self._write_end, b"x")
        except BlockingIOError:
            pass

    def fileno(self) -> int:
        return self._read_end

    def doRead(self) -> None:
        try:
            os.read(self._read_end, 8_192)
        except BlockingIOError:
            pass

    def connectionLost(self, reason: object) -> None:
        """The reactor is done with it."""
        if self._read_end >= 0:
            os.close(self._read_end)
            os.close(self._write_end)
            self._read_end = self._write_end = -1

    def logPrefix(self) -> str:
        return "waker"


class TurnReactor(EPollReactor):
    """``doIteration`` waits, and begins a turn, which lasts until it waits again."""

    seconds = staticmethod(monotonic)
    """Twisted has the wall's time: set back by an hour, no timer would ring for that hour, and set ahead every client
    would be told that it was idle for too long."""

    def __init__(self) -> None:
        self._put_off: list[Callable[[], None]] = []
        self.slow: Callable[[float, float, float], None] = lambda began, seconds, working: None
        """Told of each slow turn, at its end: when it began (``perf_counter``), how many seconds it took, and how many
        of them this thread worked, which is up to ten milliseconds too much. The rest it waited: for the disk, for
        other threads, for the machine."""
        self.turn_began = inf
        """By ``perf_counter``; never, while it waits."""
        self.begun: Callable[[], None] | None = None
        """Called once, when a turn has begun. Another thread may set it, and looks at ``turn_began`` after that."""
        self._worked = self._worked_at = 0.0
        super().__init__()  # type: ignore[no-untyped-call]

    def at_turn_end(self, function: Callable[[], None]) -> None:
        """Call it once, before the reactor waits the next time; of the reactor's thread. It may not put off anything
        itself, nor ask for a call later."""
        self._put_off.append(function)

    def doPoll(self, timeout: float | None) -> None:
        """Wait for events, at most ``timeout`` seconds, and see to them."""
        if self._put_off:
            functions, self._put_off = self._put_off, []
            for function in functions:
                function()
        began = self.turn_began
        seconds = perf_counter() - began
        if seconds > SLOW:
            self.slow(began, seconds, thread_time() - self._worked)
        selectables = self._selectables
        self.turn_began = inf
        # At most one event for each: who is ready again after it waits until all had their turn.
        events = self._poller.poll(-1 if timeout is None else timeout, max(len(selectables), 1))
        self.turn_began = began = perf_counter()
        if self.begun is not None:
            begun, self.begun = self.begun, None
            begun()
        if began - self._worked_at > _WORK_READ:
            self._worked, self._worked_at = thread_time(), began
        for descriptor, event in events:
            selectable = selectables.get(descriptor)
            if selectable is None:
                # Closed by what came before it in this turn.
                continue
            try:
                self._doReadOrWrite(selectable, descriptor, event)  # type: ignore[no-untyped-call]
            except Exception:
                # A bug in telling it of its end must not end everybody.
                maillog.bug(where="reactor")

    doIteration = doPoll

    def _wakerFactory(self) -> Any:
        return Waker()


def the_reactor() -> Any:
    """The process's reactor: a TurnReactor, unless somebody has chosen one before (``twistd --reactor``, tests)."""
    if _REACTOR not in sys.modules:
        installReactor(TurnReactor())  # type: ignore[no-untyped-call]
    return import_module(_REACTOR)


def turn_end_of(reactor: Any) -> Callable[[Callable[[], None]], None]:
    """What calls a function at the end of the reactor's turn, whichever reactor it is."""
    if isinstance(reactor, TurnReactor):
        return reactor.at_turn_end
    return lambda function: reactor.callLater(0, function)
