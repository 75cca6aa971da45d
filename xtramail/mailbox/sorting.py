"""SORT (RFC 5256 §3): the messages of a view by what their rows say, in slices.

Owns what each criterion means for a stored message. Base subject and sent date were found at delivery; addresses are
read from the stored ENVELOPE, so no header and no body is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from xtramail.mailbox import envelopes
from xtramail.mailbox.rows import SLICE, read_rows, slices
from xtramail.mailbox.run_sort import run_sort
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.turns import Turns
from xtramail.mailbox.view import Telling, View
from xtramail.model.collation import casemap
from xtramail.store.records import MessageRow
from xtramail.wire.imap.search_keys import SearchKey
from xtramail.wire.imap.sort_commands import SortBy, SortKey


def _address(field: int) -> Callable[[MessageRow], str]:
    """RFC 5256 §3: addr-mailbox of the first address, empty where there is none."""
    return lambda row: casemap(envelopes.first_mailbox(row.envelope, field).decode("utf-8", "replace"))


_NUMBERS: dict[SortKey, Callable[[MessageRow], int]] = {
    SortKey.ARRIVAL: lambda row: row.internaldate,
    SortKey.DATE: lambda row: row.sent_at,
    SortKey.SIZE: lambda row: row.size,
}
_TEXTS: dict[SortKey, Callable[[MessageRow], str]] = {
    SortKey.CC: _address(envelopes.CC),
    SortKey.FROM: _address(envelopes.FROM),
    SortKey.SUBJECT: lambda row: casemap(row.subject),
    SortKey.TO: _address(envelopes.TO),
}


class SortRun:
    """Go through :meth:`steps` to the end, then read :attr:`found`."""

    def __init__(
        self, services: MailboxServices, view: View, key: SearchKey, order: Sequence[SortBy], *, telling: Telling
    ) -> None:
        """``telling`` as for ``SearchRun``."""
        self._engine = services.engine
        self._view = view
        self._order = order
        self.turns = Turns(services, passes=2)
        self._search = SearchRun(services, view, key, self.turns, telling=telling)
        self.found: list[int] = []
        """UIDs of the messages that fit, in the order asked for."""

    def steps(self) -> Generator[None, None, None]:
        """Each step is one slice of work; LimitReached when all of them took too long."""
        yield from self._search.steps()
        found = self._search.found
        numbers, texts = yield from self._values(found)
        # The last criterion first: sorting is stable, also in reverse, and begins with the order of the mailbox.
        for by in reversed(self._order):
            value = numbers[by.key].__getitem__ if by.key in numbers else texts[by.key].__getitem__
            found = yield from self.turns.paced(run_sort(found, value, descending=by.descending))
        self.found = found

    def _values(
        self, uids: Sequence[int]
    ) -> Generator[None, None, tuple[dict[SortKey, dict[int, int]], dict[SortKey, dict[int, str]]]]:
        """What each message sorts by; one whose row cannot be read sorts as if it had nothing."""
        wanted = {by.key for by in self._order}
        numbers: dict[SortKey, dict[int, int]] = {key: {} for key in wanted & _NUMBERS.keys()}
        texts: dict[SortKey, dict[int, str]] = {key: {} for key in wanted & _TEXTS.keys()}
        for number, run in enumerate(slices(self._view, uids)):
            self.turns.came_to(number * SLICE, len(uids))
            rows = read_rows(self._engine, self._view.shared.account_id, self._view.mailbox_id, run)
            for uid in (place.uid for place in run):
                row = rows.get(uid)
                for key, number_of in numbers.items():
                    number_of[uid] = _NUMBERS[key](row) if row is not None else 0
                for key, text_of in texts.items():
                    text_of[uid] = _TEXTS[key](row) if row is not None else ""
            yield from self.turns.pause()
        return numbers, texts
