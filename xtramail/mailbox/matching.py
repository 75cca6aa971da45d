"""SEARCH keys as tests of many messages at once, the cheap ones first.

Owns what each key of RFC 3501 §6.4.4 means for stored messages. Does not own the order in which messages are looked at
(``search``) nor where a needle is in a text (``finding``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from xtramail.mailbox import finding
from xtramail.mailbox.batch import Batch
from xtramail.mailbox.facts import Facts, day_number
from xtramail.mailbox.run import Run
from xtramail.mailbox.view import Place, View
from xtramail.model.clock import DAY_SECONDS
from xtramail.model.collation import searchfold
from xtramail.model.errors import LimitReached
from xtramail.model.flags import Flag
from xtramail.model.ids import id_from_text
from xtramail.store.records import FlagRow
from xtramail.store.search_texts import USUAL
from xtramail.wire.imap import search_keys as keys
from xtramail.wire.imap.search_keys import Comparison, DateField, Recency, SearchKey

_SEEN = int(Flag.SEEN)
MOST_NEEDLES = 256
"""Texts that one search looks for: each goes through all that was stored."""


class Cost(IntEnum):
    """What has to be read for an answer."""

    FLAGS = 0
    ROW = 1
    PACKED = 2
    """The usual header fields, packed."""
    HEADER = 3
    """Any header field."""
    TEXT = 4


Keep = Callable[[Batch, Sequence[int]], Sequence[int]]
"""Those of the UIDs (ascending, all of the batch) that fit, ascending."""


@dataclass(frozen=True, slots=True)
class Test:
    """Nested no deeper than the parser lets keys be (32)."""

    cost: Cost
    keep: Keep
    needles: int = 0
    """How often it goes through a text."""
    packs: bool = False
    """Whether it asks for header fields that are packed."""


@dataclass(frozen=True, slots=True)
class Stages:
    """A key taken apart, so that each part is asked only of what the cheaper ones leave."""

    tests: tuple[Test, ...]
    """All of them have to fit; by what they cost."""

    @property
    def packs(self) -> bool:
        return any(test.packs for test in self.tests)

    def of(self, cost: Cost) -> list[Test]:
        return [test for test in self.tests if test.cost is cost]


def stages(key: SearchKey, view: View, now: float) -> Stages:
    """``now``: seconds since 1970, for OLDER and YOUNGER (RFC 5032). LimitReached for more than 256 texts."""
    tests = [_compiled(one, view, now) for one in (key.keys if isinstance(key, keys.And) else (key,))]
    if sum(test.needles for test in tests) > MOST_NEEDLES:
        raise LimitReached(f"A search looks for at most {MOST_NEEDLES} texts; ask in several")
    return Stages(tuple(sorted(tests, key=lambda test: test.cost)))


def _compiled(key: SearchKey, view: View, now: float) -> Test:
    match key:
        case keys.And():
            return _all([_compiled(one, view, now) for one in key.keys])
        case keys.Or():
            return _either(_compiled(key.left, view, now), _compiled(key.right, view, now))
        case keys.Not():
            return _not(_compiled(key.key, view, now))
        case keys.HeaderContains() | keys.BodyContains() | keys.TextContains():
            return _text(key)
        case keys.DateIs():
            return _date(key)
        case keys.HasEmailId() | keys.HasThreadId():
            return _object_id(key)
        case keys.Larger(octets=octets):
            return _row(lambda run: run.sizes, lambda size: size > octets)
        case keys.Smaller(octets=octets):
            return _row(lambda run: run.sizes, lambda size: size < octets)
        case keys.OlderThan(seconds=seconds):
            return _row(lambda run: run.dates, lambda date: date <= now - seconds)
        case keys.YoungerThan(seconds=seconds):
            return _row(lambda run: run.dates, lambda date: date > now - seconds)
        case _:
            return _flags(key, view)


def _all(tests: list[Test]) -> Test:
    ordered = sorted(tests, key=lambda test: test.cost)

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        for test in ordered:
            if uids:
                uids = test.keep(batch, uids)
        return uids

    needles, packs = sum(test.needles for test in tests), any(test.packs for test in tests)
    return Test(ordered[-1].cost, keep, needles, packs)


def _either(left: Test, right: Test) -> Test:
    first, second = (left, right) if left.cost <= right.cost else (right, left)

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        fit = first.keep(batch, uids)
        if len(fit) == len(uids):
            return fit
        more = second.keep(batch, _without(uids, fit))
        return sorted((*fit, *more)) if fit and more else fit or more

    return Test(second.cost, keep, left.needles + right.needles, left.packs or right.packs)


def _not(inner: Test) -> Test:
    return replace(inner, keep=lambda batch, uids: _without(uids, inner.keep(batch, uids)))


def _without(uids: Sequence[int], some: Sequence[int]) -> Sequence[int]:
    if not some:
        return uids
    doomed = frozenset(some)
    return [uid for uid in uids if uid not in doomed]


def _flags(key: SearchKey, view: View) -> Test:
    match key:
        case keys.HasFlag(flag=flag, present=present):
            return _flag(int(flag), present=present)
        case keys.HasKeyword(keyword=keyword, present=present):
            ids = {index for index, name in enumerate(view.keywords) if name.lower() == keyword.lower()}
            return _rows(lambda row: (not ids.isdisjoint(row.keywords)) is present)
        case keys.IsRecent(recency=recency):
            return _recency(recency, view)
        case keys.InNumbers(numbers=numbers) | keys.InUids(numbers=numbers) if numbers.saved:
            saved = frozenset(view.saved)
            return Test(Cost.FLAGS, lambda batch, uids: [uid for uid in uids if uid in saved])
        case keys.InNumbers(numbers=numbers):
            resolved = numbers.resolved(view.exists)
            return Test(Cost.FLAGS, lambda batch, uids: [uid for uid in uids if view.number(uid) in resolved])
        case keys.InUids(numbers=numbers):
            named = numbers.resolved(view.uids[-1] if view.uids else 0)
            return Test(Cost.FLAGS, lambda batch, uids: named.select(uids))
        case keys.ModSeqAtLeast(modseq=modseq):
            return _rows(lambda row: row.modseq >= modseq)
        case _:
            return Test(Cost.FLAGS, lambda batch, uids: uids)


def _flag(bits: int, *, present: bool) -> Test:
    """As :func:`_rows`, without a call a message: clients ask UNSEEN of whole mailboxes, again and again. ``bits`` are
    a bare number, as the enumeration's own operator is ten times slower."""
    wanted = bits if present else 0

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        uids, _, rows = batch.view.columns(uids)
        return [uid for uid, row in zip(uids, rows, strict=True) if row.flags & bits == wanted]

    return Test(Cost.FLAGS, keep)


def _rows(fits: Callable[[FlagRow], bool]) -> Test:
    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        uids, _, rows = batch.view.columns(uids)
        return [uid for uid, row in zip(uids, rows, strict=True) if fits(row)]

    return Test(Cost.FLAGS, keep)


def _each(fits: Callable[[Place], bool]) -> Test:
    return Test(Cost.FLAGS, lambda batch, uids: [place.uid for place in batch.view.places(uids) if fits(place)])


def _recency(recency: Recency, view: View) -> Test:
    match recency:
        case Recency.RECENT:
            return _each(lambda place: view.is_recent(place.uid))
        case Recency.OLD:
            return _each(lambda place: not view.is_recent(place.uid))
        case Recency.NEW:
            return _each(lambda place: view.is_recent(place.uid) and not place.row.flags & _SEEN)


def _row(column: Callable[[Run], Sequence[int]], fits: Callable[[int], bool]) -> Test:
    """By what the row says; nothing is known of one that cannot be read, so it does not fit."""

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        values, unread = column(batch.run), batch.run.unread
        found = [uid for uid, at in zip(uids, batch.run.positions(uids), strict=True) if fits(values[at])]
        return _without(found, tuple(unread)) if unread else found

    return Test(Cost.ROW, keep)


def _object_id(key: keys.HasEmailId | keys.HasThreadId) -> Test:
    try:
        wanted = id_from_text(key.object_id.decode("ascii"))
    except ValueError:
        return Test(Cost.FLAGS, lambda batch, uids: ())
    if isinstance(key, keys.HasEmailId):
        return _row(lambda run: run.objects, lambda found: found == wanted)
    return _row(lambda run: run.threads, lambda found: found == wanted)


def _date(key: keys.DateIs) -> Test:
    wanted = day_number(key.day)
    compare = _comparison(key.comparison, wanted)
    match key.field:
        case DateField.INTERNAL:
            # In UTC, as FETCH tells it.
            return _row(lambda run: run.dates, lambda date: compare(date // DAY_SECONDS))
        case DateField.SAVED:
            return _each(lambda place: compare(place.row.savedate // DAY_SECONDS))
        case DateField.SENT:
            return _sent(wanted, compare)


def _comparison(comparison: Comparison, wanted: int) -> Callable[[int], bool]:
    match comparison:
        case Comparison.BEFORE:
            return lambda day: day < wanted
        case Comparison.ON:
            return lambda day: day == wanted
        case Comparison.SINCE:
            return lambda day: day >= wanted


def _sent(wanted: int, compare: Callable[[int], bool]) -> Test:
    """Day of Date: in the sender's own zone, time and zone disregarded (RFC 3501 §6.4.4).

    The row has it in UTC; the few of a neighbouring day are asked themselves.
    """

    def days(batch: Batch, uids: Sequence[int]) -> Iterator[tuple[int, int]]:
        sent, positions = batch.run.sent, batch.run.positions(uids)
        found = [(uid, sent[at] // DAY_SECONDS) for uid, at in zip(uids, positions, strict=True)]
        near = batch.sent_days([uid for uid, day in found if abs(day - wanted) <= 1])
        return ((uid, near.get(uid, day)) for uid, day in found)

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        unread = batch.run.unread
        return [uid for uid, day in days(batch, uids) if compare(day) and uid not in unread]

    return Test(Cost.ROW, keep)


def _text(key: keys.HeaderContains | keys.BodyContains | keys.TextContains) -> Test:
    text = searchfold(key.text)
    needle = text.encode("utf-8", "replace")
    match key:
        case keys.HeaderContains(field=field) if field in USUAL:
            return _packed(field, text, needle)
        case keys.HeaderContains(field=field):
            return _stored(Cost.HEADER, finding.in_field_of(field, needle), lambda facts: facts.in_field(field, text))
        case keys.BodyContains():
            return _stored(Cost.TEXT, finding.in_text_of(needle), lambda facts: text in facts.body)
        case keys.TextContains():
            return _stored(Cost.TEXT, finding.anywhere(needle), lambda facts: facts.anywhere(text))


def _packed(field: str, text: str, needle: bytes) -> Test:
    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        run = batch.run
        assert run.fields is not None, "packed before a test of this cost is asked"
        hits = {run.uids[number] for number in run.fields[field].holding(needle)}
        if run.unpacked:
            hits.update(uid for uid in run.unpacked.intersection(uids) if batch.facts(uid).in_field(field, text))
        return [uid for uid in uids if uid in hits] if hits else ()

    return Test(Cost.PACKED, keep, needles=1, packs=True)


def _stored(cost: Cost, holds: finding.Finder, says: Callable[[Facts], bool]) -> Test:
    """``says`` is asked where no text was laid down for ``holds``."""

    def keep(batch: Batch, uids: Sequence[int]) -> Sequence[int]:
        texts = batch.texts
        if texts is None:
            return [uid for uid in uids if says(batch.facts(uid))]
        return [uid for uid in uids if holds(texts[uid])]

    return Test(cost, keep, needles=1)
