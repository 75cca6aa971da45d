from __future__ import annotations

import time
from datetime import date

import pytest

from xtramail.model.flags import Flag
from xtramail.model.sequence import STAR, SequenceSet
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.search_keys import (
    And,
    BodyContains,
    Comparison,
    DateField,
    DateIs,
    Everything,
    HasFlag,
    HasKeyword,
    HeaderContains,
    InNumbers,
    InUids,
    IsRecent,
    Larger,
    ModSeqAtLeast,
    Not,
    OlderThan,
    Or,
    Recency,
    SearchKey,
    Smaller,
    TextContains,
    YoungerThan,
)
from xtramail.wire.imap.search_parser import SearchRules, parse_search

_ALL = SearchRules(offered=frozenset({"WITHIN", "CONDSTORE", "SAVEDATE"}))


def _key(text: bytes, rules: SearchRules = _ALL) -> SearchKey:
    return parse_search(Cursor(text), rules).key


SEEN = HasFlag(Flag.SEEN, True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"ALL", Everything()),
        (b"unseen", HasFlag(Flag.SEEN, False)),
        (b"UNDELETED", HasFlag(Flag.DELETED, False)),
        (b"NEW", IsRecent(Recency.NEW)),
        (b"OLD", IsRecent(Recency.OLD)),
        (b"KEYWORD $Forwarded", HasKeyword("$Forwarded", True)),
        (b"UNKEYWORD x", HasKeyword("x", False)),
        (b'FROM "Smith"', HeaderContains("from", "Smith")),
        (b"SUBJECT {3}\r\na b", HeaderContains("subject", "a b")),
        (b'HEADER Message-ID ""', HeaderContains("message-id", "")),
        (b"BODY x", BodyContains("x")),
        (b"TEXT x", TextContains("x")),
        (b"SINCE 1-Feb-1994", DateIs(DateField.INTERNAL, Comparison.SINCE, date(1994, 2, 1))),
        (b'SENTBEFORE "1-Feb-1994"', DateIs(DateField.SENT, Comparison.BEFORE, date(1994, 2, 1))),
        (b"SAVEDON 1-Feb-1994", DateIs(DateField.SAVED, Comparison.ON, date(1994, 2, 1))),
        (b"LARGER 0", Larger(0)),
        (b"SMALLER 4294967295", Smaller(4294967295)),
        (b"2,4:*", InNumbers(SequenceSet(ranges=((2, 2), (4, STAR)), star=True))),
        (b"*", InNumbers(SequenceSet(ranges=((STAR, STAR),), star=True))),
        (b"UID 7", InUids(SequenceSet(ranges=((7, 7),)))),
        (b"OLDER 60", OlderThan(60)),
        (b"YOUNGER 60", YoungerThan(60)),
        (b"MODSEQ 620162338", ModSeqAtLeast(620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 620162338', ModSeqAtLeast(620162338)),
        (b"NOT SEEN", Not(SEEN)),
        (b"NOT NOT SEEN", Not(Not(SEEN))),
        (b"OR SEEN ALL", Or(SEEN, Everything())),
        (b"OR NOT SEEN OR ALL SEEN", Or(Not(SEEN), Or(Everything(), SEEN))),
        (b"(SEEN)", SEEN),
        (b"((SEEN) (ALL SEEN))", And((SEEN, And((Everything(), SEEN))))),
        (b"OR (SEEN ALL) NOT (ALL)", Or(And((SEEN, Everything())), Not(Everything()))),
        (b"NOT (SEEN ALL) SEEN", And((Not(And((SEEN, Everything()))), SEEN))),
        (b"SEEN ALL ", And((SEEN, Everything()))),
    ],
)
def test_keys_become_a_typed_tree(text: bytes, key: SearchKey) -> None:
    assert _key(text) == key


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"NOT",
        b"NOT ",
        b"OR SEEN",
        b"OR SEEN ",
        b"(SEEN",
        b"SEEN)",
        b"()",
        b"( SEEN)",
        b"(SEEN )",
        b"SEEN  ALL",
        b"FROM",
        b"FROM ",
        b"LARGER x",
        b"LARGER 9223372036854775808",
        b"SINCE tomorrow",
        b"UID 0",
        b"0",
        b"NONSENSE",
        b"OLDER 0",
        b"HEADER x",
        b"$",
        b"MODSEQ x",
        b"CHARSET",
        b"SEENALL",
        b"(SEEN)ALL",
    ],
)
def test_what_is_no_search_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        _key(text)


@pytest.mark.parametrize("text", [b"OLDER 5", b"YOUNGER 5", b"MODSEQ 5", b"SAVEDON 1-Feb-1994"])
def test_keys_of_extensions_that_are_not_offered_are_unknown(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        _key(text, SearchRules())


@pytest.mark.parametrize(
    "text",
    [
        b"CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xbc",
        b"charset iso-8859-1 SUBJECT {1}\r\n\xfc",
        b'CHARSET "windows-1252" SUBJECT {1}\r\n\xfc',
        b"SUBJECT {2}\r\n\xc3\xbc",
    ],
)
def test_search_strings_are_decoded_by_their_charset(text: bytes) -> None:
    assert _key(text) == HeaderContains("subject", "ü")


@pytest.mark.parametrize(
    "name", [b"x-nonsense", b"rot13", b"zlib", b"idna", b"punycode", b"unicode_escape", b"undefined"]
)
def test_an_unknown_charset_is_declined_with_those_that_are_known(name: bytes) -> None:
    with pytest.raises(Declined) as declined:
        _key(b"CHARSET " + name + b" ALL")
    assert declined.value.code == b"BADCHARSET (UTF-8 US-ASCII)"


@pytest.mark.parametrize("text", [b"CHARSET US-ASCII SUBJECT {1}\r\n\xfc", b"SUBJECT {1}\r\n\xfc"])
def test_a_string_outside_its_charset_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        _key(text)


@pytest.mark.parametrize("opening", [b"NOT ", b"(", b"OR ALL ", b"OR "])
def test_nesting_is_bounded(opening: bytes) -> None:
    for text in (opening * 33 + b"SEEN", opening * 15_000):
        with pytest.raises(BadSyntax, match="too deep"):
            _key(text)


def test_thirty_one_levels_pass() -> None:
    assert isinstance(_key(b"NOT " * 31 + b"SEEN"), Not)
    assert _key(b"(" * 31 + b"SEEN" + b")" * 31) == SEEN


def test_a_modseq_key_is_told() -> None:
    assert parse_search(Cursor(b"NOT MODSEQ 5"), _ALL).uses_modseq
    assert not parse_search(Cursor(b"SEEN"), _ALL).uses_modseq


def test_the_longest_search_takes_little_time() -> None:
    text = b"OR SEEN NOT ALL " * 4000
    started = time.process_time()
    with pytest.raises(BadSyntax):
        _key(text)
    _key(b" ".join([b"SEEN"] * 9_000))
    assert time.process_time() - started < 3.0
