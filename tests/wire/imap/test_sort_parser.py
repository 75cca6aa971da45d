"""Grammar of SORT and THREAD (RFC 5256 §5)."""

from __future__ import annotations

import pytest

from tests.wire.imap.dialogue import EVERYTHING, answered, parsed
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap.config import BASE_CAPABILITIES
from xtramail.wire.imap.search_keys import And, Everything, HeaderContains, InNumbers
from xtramail.wire.imap.sort_commands import Sort, SortBy, SortKey, Thread, ThreadAlgorithm


def test_sort_criteria_keep_their_order_and_reverse_holds_for_one() -> None:
    assert parsed(b"a SORT (reverse DATE Subject) utf-8 ALL") == Sort(
        tag=b"a",
        uid=False,
        order=(SortBy(SortKey.DATE, True), SortBy(SortKey.SUBJECT, False)),
        key=Everything(),
    )


def test_uid_sort_takes_any_charset_and_every_key() -> None:
    octets = b"a UID SORT (ARRIVAL) ISO-8859-1 1:3 FROM {2+}\r\n" + "jü".encode("latin-1")
    numbers = InNumbers(SequenceSet(ranges=((1, 3),)))
    assert parsed(octets) == Sort(
        tag=b"a",
        uid=True,
        order=(SortBy(SortKey.ARRIVAL, False),),
        key=And((numbers, HeaderContains("from", "jü"))),
    )


@pytest.mark.parametrize("algorithm", list(ThreadAlgorithm))
def test_thread(algorithm: ThreadAlgorithm) -> None:
    name = algorithm.value.lower().encode()
    assert parsed(b"a UID THREAD " + name + b' "US-ASCII" ALL') == Thread(
        tag=b"a", uid=True, algorithm=algorithm, key=Everything()
    )


@pytest.mark.parametrize(
    "line",
    [
        b"a SORT",
        b"a SORT (DATE)",
        b"a SORT (DATE) UTF-8",
        b"a SORT DATE UTF-8 ALL",
        b"a SORT () UTF-8 ALL",
        b"a SORT (REVERSE) UTF-8 ALL",
        b"a SORT (REVERSE REVERSE DATE) UTF-8 ALL",
        b"a SORT (DATE SHOESIZE) UTF-8 ALL",
        b"a SORT (" + b"DATE " * 16 + b"DATE) UTF-8 ALL",
        b"a THREAD",
        b"a THREAD REFS UTF-8 ALL",
        b"a THREAD REFERENCES",
        b"a THREAD REFERENCES UTF-8",
        b"a THREAD REFERENCES UTF-8 COLOUR",
    ],
)
def test_mistakes(line: bytes) -> None:
    assert answered(line).startswith(b"a BAD")


def test_an_unknown_charset_is_declined_with_those_that_are_known() -> None:
    assert answered(b"a SORT (DATE) KLINGON ALL").startswith(b"a NO [BADCHARSET (UTF-8 US-ASCII)]")


def test_what_is_not_offered_is_no_command() -> None:
    less = tuple(name for name in EVERYTHING if name not in ("SORT", "THREAD=REFERENCES"))
    assert answered(b"a SORT (DATE) UTF-8 ALL", capabilities=less).startswith(b"a BAD")
    assert answered(b"a THREAD REFERENCES UTF-8 ALL", capabilities=less).startswith(b"a BAD")
    assert isinstance(parsed(b"a THREAD ORDEREDSUBJECT UTF-8 ALL", capabilities=less), Thread)
    assert "SORT" in BASE_CAPABILITIES
