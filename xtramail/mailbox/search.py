"""SEARCH over the messages of a view, in slices short enough that nobody else waits.

Owns the order of work: flags and numbers first for all messages, then rows, headers and text of those that are left.
Exact substring semantics, case folded; about 1-2 ms a megabyte of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xtramail.mailbox.facts import Facts
from xtramail.mailbox.matching import Cost, conjuncts
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
        self._narrow, self._rest = conjuncts(key, view, services.clock.now())
        self._turns = turns or Turns(services)
        self.found: list[int] = []
        """UIDs of the messages that fit, ascending."""

    def steps(self) -> Iterator[None]:
        """Each step is one slice of work; LimitReached when all of them took too long."""
        left: list[int] = []
        engine, view = self._services.engine, self._view
        turns = self._turns
        turns.begin()
        for run in slices(view, view.uids):
            for place in run:
                if self._narrow.fits(Facts(engine, view, place, None)) and not view.expunged(place.uid):
                    left.append(place.uid)
            if turns.over():
                yield
                turns.begin()
        if not self._rest.cost:
            self.found = left
            return
        for run in slices(view, left):
            rows = read_rows(engine, view.shared.account_id, view.mailbox_id, run)
            for start in range(0, len(run), _TEXTS):
                some = run[start : start + _TEXTS]
                stored = self._stored(some, rows)
                for place in some:
                    uid = place.uid
                    if self._rest.fits(Facts(engine, view, place, rows.get(uid), stored.get(uid))):
                        self.found.append(uid)
                if turns.over():
                    yield
                    turns.begin()

    def _stored(self, run: Sequence[Place], rows: Mapping[int, MessageRow]) -> dict[int, Searchable | None]:
        """Header and text of a few messages at once, where the search needs them."""
        if self._rest.cost < Cost.HEADER:
            return {}
        there = [(place.uid, rows[place.uid].body) for place in run if place.uid in rows]
        found = searchables(self._services.engine, [ref for _, ref in there], whole=self._rest.cost is Cost.TEXT)
        return {uid: one for (uid, _), one in zip(there, found, strict=True)}
