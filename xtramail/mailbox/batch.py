"""A few messages under search, and what has been read of them so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xtramail.mailbox.facts import Facts, sent_day
from xtramail.mailbox.rows import read_rows
from xtramail.mailbox.run import Run
from xtramail.mailbox.view import View
from xtramail.store.engine import Engine
from xtramail.store.records import MessageRow
from xtramail.store.search_texts import Pieces


class Batch:
    """Tests ask it; :attr:`run` is there for those that cost more than flags."""

    __slots__ = ("_engine", "_facts", "run", "texts", "view")

    def __init__(self, engine: Engine, view: View, run: Run) -> None:
        self._engine = engine
        self._facts: dict[int, Facts] = {}
        self.view = view
        self.run = run
        self.texts: Mapping[int, Pieces] | None = None
        """By UID, while they may be read: of all messages that a test is asked of, or None."""

    def facts(self, uid: int) -> Facts:
        """Header and text of one message out of its body: the slow way, where nothing was laid down for searching."""
        facts = self._facts.get(uid)
        if facts is None:
            facts = self._facts[uid] = Facts(self._engine, self._rows([uid]).get(uid))
        return facts

    def sent_days(self, uids: Sequence[int]) -> dict[int, int]:
        """Days since 1970 by UID, of those messages that have a Date: that can be read."""
        days = {uid: sent_day(row) for uid, row in self._rows(uids).items()} if uids else {}
        return {uid: day for uid, day in days.items() if day is not None}

    def _rows(self, uids: Sequence[int]) -> dict[int, MessageRow]:
        view = self.view
        return read_rows(self._engine, view.shared.account_id, view.mailbox_id, view.places(uids))
