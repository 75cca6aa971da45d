"""SEARCH over the messages of a view, in slices short enough that nobody else waits.

Owns the order of work: flags and numbers first for all messages, then rows, then header and text of those that are
left. Exact substring semantics over folded text; about 1-2 ms a megabyte of it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

from xtramail.mailbox.facts import Facts
from xtramail.mailbox.matching import Cost, Test, conjuncts
from xtramail.mailbox.rows import read_rows, slices
from xtramail.mailbox.session import MailboxServices
from xtramail.mailbox.turns import Turns
from xtramail.mailbox.view import Place, View
from xtramail.store.message_row import MessageRow
from xtramail.store.search_texts import Searchable, searchables
from xtramail.wire.imap.search_keys import SearchKey

_TEXTS = 16
"""Texts in memory at once; each has at most 256 KiB."""


class SearchRun:
    """Go through :meth:`steps` to the end, then read :attr:`found`."""

    def __init__(self, services: MailboxServices, view: View, key: SearchKey, turns: Turns | None = None) -> None:
        """``turns``: of the work that this is a part of."""
        self._services = services
        self._view = view
        self._key = conjuncts(key, view, services.clock.now())
        self._turns = turns or Turns(services)
        self.found: list[int] = []
        """UIDs of the messages that fit, ascending."""

    def steps(self) -> Iterator[None]:
        """Each step is one slice of work; LimitReached when all of them took too long."""
        key, engine, view, turns = self._key, self._services.engine, self._view, self._turns
        turns.begin()
        left = yield from self._narrowed(key.flags)
        if key.row is None and key.rest is None:
            self.found = left
            return
        for run in slices(view, left):
            rows = read_rows(engine, view.shared.account_id, view.mailbox_id, run)
            if key.row is not None:
                row_fits = key.row.fits
                run = [place for place in run if row_fits(Facts(engine, view, place, rows.get(place.uid)))]
            if key.rest is None:
                self.found += [place.uid for place in run]
                yield from turns.pause()
            else:
                yield from self._by_text(key.rest, run, rows)

    def _narrowed(self, test: Test | None) -> Generator[None, None, list[int]]:
        """What flags and numbers leave; messages that are gone are not found."""
        view, engine = self._view, self._services.engine
        if test is None:
            return [uid for uid in view.uids if not view.expunged(uid)]
        left: list[int] = []
        fits = test.fits
        for run in slices(view, view.uids):
            for place in run:
                if fits(Facts(engine, view, place, None)) and not view.expunged(place.uid):
                    left.append(place.uid)
            yield from self._turns.pause()
        return left

    def _by_text(self, test: Test, run: Sequence[Place], rows: Mapping[int, MessageRow]) -> Iterator[None]:
        engine, view, fits, turns = self._services.engine, self._view, test.fits, self._turns
        for start in range(0, len(run), _TEXTS):
            some = run[start : start + _TEXTS]
            stored = self._stored(test, some, rows)
            for place in some:
                uid = place.uid
                if fits(Facts(engine, view, place, rows.get(uid), stored.get(uid))):
                    self.found.append(uid)
            if turns.over():
                yield
                turns.begin()

    def _stored(
        self, test: Test, run: Sequence[Place], rows: Mapping[int, MessageRow]
    ) -> dict[int, Searchable | None]:
        """Header and text of a few messages at once."""
        there = [(place.uid, rows[place.uid].body) for place in run if place.uid in rows]
        found = searchables(self._services.engine, [ref for _, ref in there], whole=test.cost is Cost.TEXT)
        return {uid: one for (uid, _), one in zip(there, found, strict=True)}
