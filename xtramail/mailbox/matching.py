"""SEARCH keys as tests of one message's facts, the cheap ones first.

Owns what each key of RFC 3501 §6.4.4 means for a stored message. Does not own the order in which messages are looked at
(``search``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from xtramail.mailbox.facts import Facts, day_number
from xtramail.mailbox.view import View
from xtramail.model.collation import searchfold
from xtramail.model.flags import Flag
from xtramail.model.ids import id_from_text
from xtramail.wire.imap import search_keys as keys
from xtramail.wire.imap.search_keys import Comparison, DateField, Recency, SearchKey


class Cost(IntEnum):
    """What has to be read for an answer."""

    FLAGS = 0
    ROW = 1
    HEADER = 2
    TEXT = 3


@dataclass(frozen=True, slots=True)
class Test:
    """``fits`` of one message; nested no deeper than the parser lets keys be (32)."""

    cost: Cost
    fits: Callable[[Facts], bool]


def compile_key(key: SearchKey, view: View, now: float) -> Test:
    """``now``: seconds since 1970, for OLDER and YOUNGER (RFC 5032)."""
    match key:
        case keys.And():
            return _all([compile_key(one, view, now) for one in key.keys])
        case keys.Or():
            return _any(compile_key(key.left, view, now), compile_key(key.right, view, now))
        case keys.Not():
            inner = compile_key(key.key, view, now)
            return Test(inner.cost, lambda facts: not inner.fits(facts))
        case keys.HeaderContains() | keys.BodyContains() | keys.TextContains():
            return _text(key)
        case keys.DateIs():
            return _date(key)
        case keys.HasEmailId() | keys.HasThreadId():
            return _object_id(key)
        case keys.Larger() | keys.Smaller() | keys.OlderThan() | keys.YoungerThan():
            return _row(key, now)
        case _:
            return _flags(key, view)


@dataclass(frozen=True, slots=True)
class Conjuncts:
    """A key taken apart, so that each part is asked only of what the cheaper ones leave; None where there is none."""

    flags: Test | None
    """Decided by flags and numbers alone."""
    row: Test | None
    rest: Test | None


def conjuncts(key: SearchKey, view: View, now: float) -> Conjuncts:
    tests = [compile_key(one, view, now) for one in key.keys] if isinstance(key, keys.And) else [
        compile_key(key, view, now)
    ]
    return Conjuncts(
        flags=_joined([test for test in tests if test.cost is Cost.FLAGS]),
        row=_joined([test for test in tests if test.cost is Cost.ROW]),
        rest=_joined([test for test in tests if test.cost > Cost.ROW]),
    )


def _joined(tests: list[Test]) -> Test | None:
    return _all(tests) if tests else None


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    ordered = sorted(tests, key=lambda test: test.cost)
    cost = max((test.cost for test in tests), default=Cost.FLAGS)
    return Test(cost, lambda facts: all(test.fits(facts) for test in ordered))


def _any(left: Test, right: Test) -> Test:
    first, second = (left, right) if left.cost <= right.cost else (right, left)
    return Test(second.cost, lambda facts: first.fits(facts) or second.fits(facts))


def _flags(key: SearchKey, view: View) -> Test:
    match key:
        case keys.HasFlag(flag=flag, present=present):
            return Test(Cost.FLAGS, lambda facts: bool(facts.place.row.flags & flag) is present)
        case keys.HasKeyword(keyword=keyword, present=present):
            ids = {index for index, name in enumerate(view.keywords) if name.lower() == keyword.lower()}
            return Test(Cost.FLAGS, lambda facts: (not ids.isdisjoint(facts.place.row.keywords)) is present)
        case keys.IsRecent(recency=recency):
            return _recency(recency)
        case keys.InNumbers(numbers=numbers) | keys.InUids(numbers=numbers) if numbers.saved:
            saved = frozenset(view.saved)
            return Test(Cost.FLAGS, lambda facts: facts.place.uid in saved)
        case keys.InNumbers(numbers=numbers):
            resolved = numbers.resolved(view.exists)
            return Test(Cost.FLAGS, lambda facts: view.number(facts.place.uid) in resolved)
        case keys.InUids(numbers=numbers):
            uids = numbers.resolved(view.uids[-1] if view.uids else 0)
            return Test(Cost.FLAGS, lambda facts: facts.place.uid in uids)
        case keys.ModSeqAtLeast(modseq=modseq):
            return Test(Cost.FLAGS, lambda facts: facts.place.row.modseq >= modseq)
        case _:
            return Test(Cost.FLAGS, lambda facts: True)


def _recency(recency: Recency) -> Test:
    match recency:
        case Recency.RECENT:
            return Test(Cost.FLAGS, lambda facts: facts.view.is_recent(facts.place.uid))
        case Recency.OLD:
            return Test(Cost.FLAGS, lambda facts: not facts.view.is_recent(facts.place.uid))
        case Recency.NEW:
            return Test(
                Cost.FLAGS,
                lambda facts: facts.view.is_recent(facts.place.uid) and not facts.place.row.flags & Flag.SEEN,
            )


def _row(key: keys.Larger | keys.Smaller | keys.OlderThan | keys.YoungerThan, now: float) -> Test:
    match key:
        case keys.Larger(octets=octets):
            return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.size > octets)
        case keys.Smaller(octets=octets):
            return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.size < octets)
        case keys.OlderThan(seconds=seconds):
            return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.internaldate <= now - seconds)
        case keys.YoungerThan(seconds=seconds):
            return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.internaldate > now - seconds)


def _object_id(key: keys.HasEmailId | keys.HasThreadId) -> Test:
    try:
        wanted = id_from_text(key.object_id.decode("ascii"))
    except ValueError:
        return Test(Cost.FLAGS, lambda facts: False)
    if isinstance(key, keys.HasEmailId):
        return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.object_id == wanted)
    return Test(Cost.ROW, lambda facts: facts.row is not None and facts.row.thread_id == wanted)


def _date(key: keys.DateIs) -> Test:
    wanted = day_number(key.day)
    cost, day_of = _day(key.field, wanted)
    match key.comparison:
        case Comparison.BEFORE:
            return Test(cost, lambda facts: day_of(facts) < wanted)
        case Comparison.ON:
            return Test(cost, lambda facts: day_of(facts) == wanted)
        case Comparison.SINCE:
            return Test(cost, lambda facts: day_of(facts) >= wanted)


def _day(field: DateField, wanted: int) -> tuple[Cost, Callable[[Facts], int]]:
    match field:
        case DateField.INTERNAL:
            return Cost.ROW, lambda facts: facts.internal_day
        case DateField.SAVED:
            return Cost.FLAGS, lambda facts: facts.saved_day
        case DateField.SENT:
            # The header decides for the few of a neighbouring day only, and is read for them alone.
            return Cost.ROW, lambda facts: facts.sent_day(wanted)


def _text(key: keys.HeaderContains | keys.BodyContains | keys.TextContains) -> Test:
    text = searchfold(key.text)
    octets = text.encode("utf-8", "replace")
    match key:
        case keys.HeaderContains(field=field):
            return _field(field, text, octets)
        case keys.BodyContains():

            def in_body(facts: Facts) -> bool:
                stored = facts.stored
                if stored is None:
                    return text in facts.body
                return stored.octets.find(octets, stored.text_at) >= 0

            return Test(Cost.TEXT, in_body)
        case keys.TextContains():

            def anywhere(facts: Facts) -> bool:
                stored = facts.stored
                if stored is not None and b"\n" not in octets:
                    # No other needle can be half in the header's last line and half in the text.
                    return stored.octets.find(octets, stored.header_at) >= 0
                if stored is not None:
                    found = stored.octets.find(octets, stored.header_at, stored.text_at)
                    return found >= 0 or stored.octets.find(octets, stored.text_at) >= 0
                return any(text in f"{name}: {value}" for name, value in facts.header) or text in facts.body

            return Test(Cost.TEXT, anywhere)


def _field(field: str, text: str, octets: bytes) -> Test:
    """In the value of one field, without the white space before it."""
    name = re.escape(field.encode("utf-8", "replace"))
    search = re.compile(rb"\n" + name + rb"[ \t]*:[ \t]*+[^\n]*?" + re.escape(octets)).search

    def fits(facts: Facts) -> bool:
        stored = facts.stored
        if stored is not None:
            # A needle that is nowhere is found out sooner than where it is.
            nowhere = stored.octets.find(octets, stored.header_at, stored.text_at) < 0
            return not nowhere and search(stored.octets, stored.header_at, stored.text_at) is not None
        return any(name == field and text in value for name, value in facts.header)

    return Test(Cost.HEADER, fits)
