"""Looks how long the reactor's turns take, for in a long one everybody else waits.

Owns what is counted (``SLOW``), what is told (``TOLD``), and the thread that looks meanwhile at what runs: when a turn
is over nobody knows any more. The times themselves are ``turns.py``'s.
"""

from __future__ import annotations

import faulthandler
import os
import re
import threading
from collections.abc import Callable
from math import inf
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from twisted.application.service import Service

from xtramail.net.turns import TurnReactor
from xtramail.telemetry import maillog

TOLD = 0.1
"""Seconds; a turn that takes longer has a line in the log."""
LOOK = 0.05
"""Seconds between two looks, most of which see a young turn and cost nothing: a told turn has one when half over."""
_YOUNG = 0.04
"""Seconds; what runs in a younger turn is not looked at."""
IDLE = 4
"""Looks at a reactor that waits, after which nobody looks until its next turn: to wake twenty times a second for
nothing is most of what an idle server costs."""
DEEPEST = 6
"""Functions of ours in one line, the innermost first."""


class TurnWatch(Service):
    """Of the process's reactor; says nothing of one that does not measure its turns (``twistd --reactor``)."""

    def __init__(
        self, reactor: Any, *, slow: Callable[[float], None], clock: Callable[[], float] = perf_counter
    ) -> None:
        """``slow`` is told the seconds of each slow turn; ``clock`` is the reactor's."""
        self._reactor = reactor if isinstance(reactor, TurnReactor) else None
        self._slow = slow
        self._clock = clock
        self._stopping = False
        self._watched = 0
        self._seen = (0.0, "")
        self._turn = threading.Event()
        """Set when there may be something to look at again."""

    def startService(self) -> None:
        """In the reactor's thread, once the process is the one that stays."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._reactor is None:
            return
        self.attach(self._reactor)
        self._stopping = False
        threading.Thread(target=self._run, name="turn-watch", daemon=True).start()

    def attach(self, reactor: TurnReactor) -> None:
        """Be told of this thread's slow turns; what ran in them is for :meth:`look` to see."""
        reactor.slow = self._told
        self._watched = threading.get_ident()

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        # It ends within a look; to wait for that would be a long turn.
        self._stopping = True
        self._turn.set()
        if self._reactor is not None:
            # Of the turn in which everything is closed nobody waits for the end, and the log's last word is another.
            self._reactor.slow = _nothing

    def _run(self) -> None:
        reactor, waiting = self._reactor, 0
        assert reactor is not None, "startService has seen to it"
        # An event that can be waited for costs half as much again.
        while not self._stopping:
            sleep(LOOK)
            self.look()
            waiting = waiting + 1 if reactor.turn_began == inf else 0
            if waiting == IDLE:
                waiting = 0
                self.rest(reactor)

    def rest(self, reactor: TurnReactor) -> None:
        """In the thread that looks: until a turn begins, or this is to stop."""
        self._turn.clear()
        reactor.begun = self._turn.set
        # Whoever began a turn, or stopped, before that line did not see it.
        if reactor.turn_began == inf and not self._stopping:
            self._turn.wait()

    def look(self) -> None:
        """In the thread that looks: note what runs, where a turn has lasted a while."""
        reactor = self._reactor
        if reactor is None or self._clock() - reactor.turn_began < _YOUNG:
            return
        began = reactor.turn_began
        ran = functions_of(self._watched)
        # It may be over by now, and another begun.
        if began == reactor.turn_began:
            self._seen = (began, ran)

    def _told(self, began: float, seconds: float, working: float) -> None:
        self._slow(seconds)
        if seconds > TOLD:
            of, ran = self._seen
            maillog.turn_slow(seconds=seconds, working=working, ran=ran if of == began else "")


def _nothing(began: float, seconds: float, working: float) -> None:
    pass


def functions_of(thread: int) -> str:
    """What a thread (threading.get_ident) runs, such as ``mailbox/search.py:88 run < net/imap_flow.py:120 step``: names
    only, no values, which could be anybody's mail. The innermost function comes first, whosever it is. Empty where no
    file can be opened."""
    ours = str(Path(__file__).parent.parent) + "/"
    found: list[str] = []
    for file, line, name in _frames(thread):
        if file.startswith(ours):
            found.append(f"{file.removeprefix(ours)}:{line} {name}")
        elif not found:
            found.append(f"{Path(file).name}:{line} {name}")
        if len(found) == DEEPEST:
            break
    return " < ".join(found)


def _frames(thread: int) -> list[tuple[str, str, str]]:
    """File, line and function, the innermost first."""
    # In one call that holds Python's lock, and without frame objects: those of a thread that goes on were seen, in
    # CPython 3.11.2, to have a value of the program for their code.
    try:
        with open(os.memfd_create("stacks"), "rb+", buffering=0) as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    its = re.search(rf"^(?:Current t|T)hread 0x0*{thread:x}\b.*\n((?:  File .*\n)*)", text, re.MULTILINE)
    return re.findall(r'^  File "(.*)", line (\d+) in (.*)$', its[1], re.MULTILINE) if its else []
