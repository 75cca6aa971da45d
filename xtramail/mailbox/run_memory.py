"""Runs of messages kept in memory from search to search, as many as there is room for.

Owns which are kept. A run never becomes wrong (``run``); one of which little is left, and those of the mailbox that was
searched longest ago, make room.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from xtramail.mailbox.run import RUN, Run
from xtramail.mailbox.view import View

MEMORY = 64 << 20
"""Octets for all mailboxes together; a mailbox of 10,000 messages takes three millions."""

_LEFT = 4
"""A run is given up when fewer than one in so many of its messages are still there."""


class MailboxRuns:
    """Those of one mailbox, by ascending UID."""

    def __init__(self, of: int) -> None:
        """``of``: messages in a run."""
        self._of = of
        self._runs: list[Run] = []
        self.counted = 0
        """Octets, when they were counted last."""

    @property
    def octets(self) -> int:
        return sum(run.octets for run in self._runs)

    def span(self, uids: Sequence[int], at: int) -> tuple[Run | None, int]:
        """The run in which the message at this place of ``uids`` is, None when there is none; and the place behind
        the last message of it, or of what should become one."""
        runs = self._runs
        number = bisect_right(runs, uids[at], key=lambda run: run.uids[0])
        if number and uids[at] <= runs[number - 1].uids[-1]:
            run = runs[number - 1]
            end = bisect_right(uids, run.uids[-1], at)
            if (end - at) * _LEFT >= len(run):
                return run, end
            del runs[number - 1]
            number -= 1
        end = min(at + self._of, len(uids))
        if number < len(runs):
            end = min(end, bisect_right(uids, runs[number].uids[0] - 1, at))
        return None, end

    def keep(self, run: Run, before: int) -> None:
        """``before``: the last UID of the mailbox that is not in ``run`` and below it, 0 when there is none."""
        number = bisect_right(self._runs, run.uids[0], key=lambda kept: kept.uids[0])
        last = self._runs[number - 1] if number else None
        later = self._runs[number] if number < len(self._runs) else None
        if (last and last.uids[-1] >= run.uids[0]) or (later and later.uids[0] <= run.uids[-1]):
            # Another search was faster.
            return
        fits = last is not None and last.uids[-1] >= before and len(last) + len(run) <= self._of
        if last is not None and fits and (last.fields is None) == (run.fields is None):
            self._runs[number - 1] = last.joined(run)
        else:
            self._runs.insert(number, run)

    def drop_first(self) -> bool:
        """Give up the run of the oldest messages; whether there was one."""
        return bool(self._runs) and self._runs.pop(0) is not None


class RunMemory:
    """Of every mailbox that was searched lately."""

    def __init__(self, limit: int = MEMORY, of: int = RUN) -> None:
        """``limit`` in octets; ``of``: messages in a run."""
        self._limit = limit
        self._of = of
        self.octets = 0
        """What is kept, about."""
        self._mailboxes: OrderedDict[tuple[int, int, int], MailboxRuns] = OrderedDict()

    def of(self, view: View) -> MailboxRuns:
        """Pair it with :meth:`settle`."""
        runs = self._mailboxes.setdefault(_key(view), MailboxRuns(self._of))
        self._mailboxes.move_to_end(_key(view))
        return runs

    def settle(self, view: View) -> None:
        """Make room after a search: the newest messages of the mailbox searched last stay longest."""
        searched = self._mailboxes.get(_key(view))
        if searched is not None:
            self._count(searched)
        while self.octets > self._limit and self._mailboxes:
            key, runs = next(iter(self._mailboxes.items()))
            if len(self._mailboxes) > 1:
                del self._mailboxes[key]
                self.octets -= runs.counted
            elif runs.drop_first():
                self._count(runs)
            else:
                return

    def _count(self, runs: MailboxRuns) -> None:
        octets = runs.octets
        self.octets += octets - runs.counted
        runs.counted = octets


def _key(view: View) -> tuple[int, int, int]:
    return view.shared.account_id, view.mailbox_id, view.uidvalidity
