"""SEARCH over the messages of a view, in slices short enough that nobody else waits.

Owns the order of work: flags and numbers first, then what the rows say, then the usual header fields, packed, then
header and text as they were laid down for searching, of those that are left. Exact substrings of folded text.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from xtramail.mailbox.batch import Batch
from xtramail.mailbox.matching import Cost, Test, stages
from xtramail.mailbox.run import TEXT_OCTETS, Run
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.turns import Turns
from xtramail.mailbox.view import Telling, View
from xtramail.store.search_texts import Pieces, peek_texts
from xtramail.wire.imap.search_keys import SearchKey

_DENSE = 4
"""From one in so many on, all messages of a run are read and kept for the next search, not the wanted ones alone."""

_LEAST_OCTETS = 64 << 10

Steps = Generator[None, None, None]


class SearchRun:
    """Go through :meth:`steps` to the end, then read :attr:`found`."""

    def __init__(
        self,
        services: MailboxServices,
        view: View,
        key: SearchKey,
        turns: Turns | None = None,
        *,
        telling: Telling = Telling.EVERYTHING,
    ) -> None:
        """``turns``: of the work that this is a part of. ``telling``: what may be told at its end; where expunges may
        not, messages that are gone are found as the client still counts them (RFC 2180 §4.4). LimitReached for a key
        that asks too much."""
        self._engine = services.engine
        self._memory = services.runs
        self._view = view
        self._stages = stages(key, view, services.clock.now())
        self._with_gone = telling is Telling.NO_EXPUNGES
        self.turns = turns or Turns(services)
        self.found: list[int] = []
        """UIDs of the messages that fit, ascending."""

    def steps(self) -> Steps:
        """Each step is one slice of work; LimitReached when all of them took too long."""
        view, turns = self._view, self.turns
        uids = view.uids
        turns.expect(len(uids))
        runs = self._memory.of(view)
        by_flags = self._stages.of(Cost.FLAGS)
        further = len(by_flags) < len(self._stages.tests)
        nothing = Run(())
        at = 0
        turns.begin()
        while at < len(uids):
            kept, end = runs.span(uids, at)
            left: Sequence[int] = list(uids[at:end])
            for test in by_flags:
                if left:
                    left = test.keep(Batch(self._engine, view, nothing), left)
            if not further:
                self._take(left)
            elif left and kept is not None:
                known = left if left == kept.uids else [uid for uid in left if uid in kept.known]
                yield from self._search(kept, known)
                # Another session knew already that these are gone when it kept the run.
                for uid in left if len(known) < len(left) else ():
                    if uid not in kept.known:
                        yield from self._search((yield from self._read([uid])), [uid])
            elif left and len(left) * _DENSE >= end - at:
                run = yield from self._read(uids[at:end])
                yield from self._search(run, left)
                runs.keep(run, uids[at - 1] if at else 0)
            elif left:
                yield from self._search((yield from self._read(left)), left)
            at = end
            turns.came_to(at, len(uids))
            yield from turns.pause()
        turns.next_pass()
        self.found.sort()
        self._memory.settle(view)

    def _read(self, uids: Sequence[int]) -> Generator[None, None, Run]:
        run = Run(uids)
        yield from self.turns.paced(run.read(self._engine, self._view))
        return run

    def _search(self, run: Run, uids: Sequence[int]) -> Steps:
        """Among ``uids``, all of them of ``run``."""
        for test in self._stages.of(Cost.ROW):
            if uids:
                uids = test.keep(Batch(self._engine, self._view, run), uids)
                yield from self.turns.pause()
        if uids and run.fields is None and self._stages.packs:
            if len(uids) * _DENSE < len(run):
                run = yield from self._read(uids)
            yield from self.turns.paced(run.pack(self._engine))
        slow = run.unpacked.intersection(uids) if run.unpacked and self._stages.packs else ()
        if slow:
            for uid in sorted(slow):
                yield from self._search_one(run, uid)
            uids = [uid for uid in uids if uid not in slow]
        for test in self._stages.of(Cost.PACKED):
            if uids:
                uids = test.keep(Batch(self._engine, self._view, run), uids)
                yield from self.turns.pause()
        for test in (*self._stages.of(Cost.HEADER), *self._stages.of(Cost.TEXT)):
            if uids:
                uids = yield from self._by_text(test, run, uids)
        self._take(uids)

    def _by_text(self, test: Test, run: Run, uids: Sequence[int]) -> Generator[None, None, list[int]]:
        batch = Batch(self._engine, self._view, run)
        places = run.places(uids)
        octets = max(TEXT_OCTETS // max(test.needles, 1), _LEAST_OCTETS)
        whole = test.cost is Cost.TEXT
        found: list[int] = []
        at = 0

        def use(texts: list[Pieces | None]) -> tuple[int, Sequence[int], list[int]]:
            """How many were looked at, UIDs that fit, and those of which there is no text."""
            some = uids[at : at + len(texts)]
            there = {uid: text for uid, text in zip(some, texts, strict=True) if text is not None}
            batch.texts = there
            fit = test.keep(batch, list(there))
            batch.texts = None
            return len(texts), fit, [uid for uid in some if uid not in there] if len(there) < len(texts) else []

        while at < len(uids):
            count, fit, slow = peek_texts(self._engine, places[at:], octets, use, whole=whole)
            found += fit
            for uid in slow:
                found += test.keep(batch, [uid])
                yield from self.turns.pause()
            at += count
            yield from self.turns.pause()
        return sorted(found)

    def _search_one(self, run: Run, uid: int) -> Steps:
        """As :meth:`_search` after the rows, for one whose header is not packed: all out of its body."""
        batch = Batch(self._engine, self._view, run)
        left: Sequence[int] = [uid]
        for test in self._stages.tests:
            if left and test.cost >= Cost.PACKED:
                left = test.keep(batch, left)
        self._take(left)
        yield from self.turns.pause()

    def _take(self, uids: Sequence[int]) -> None:
        view = self._view
        self.found += [uid for uid in uids if not view.expunged(uid)] if view.untold and not self._with_gone else uids
