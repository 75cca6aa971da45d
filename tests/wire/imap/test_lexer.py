from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.sequence import STAR, SequenceSet
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.responses import astring, literal, string


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"abc", b"abc"),
        (b"a]b", b"a]b"),
        (b'"a b"', b"a b"),
        (b'""', b""),
        (b'"a\\"b\\\\c"', b'a"b\\c'),
        (b"{3}\r\na\r\n", b"a\r\n"),
        (b"{0}\r\n", b""),
        (b"{2+}\r\n{}", b"{}"),
        ('"ü"'.encode(), "ü".encode()),
    ],
)
def test_a_string_is_read_in_each_form(octets: bytes, value: bytes) -> None:
    cursor = Cursor(octets)
    assert cursor.astring() == value
    assert cursor.done


@pytest.mark.parametrize(
    "octets", [b"", b'"abc', b'"a\\b"', b'"a\rb"', b"{3}\r\nab", b"{x}\r\n", b"{3}ab", b"(", b"%", b"\xc3\xbc", b'"a\\']
)
def test_what_is_no_string_is_refused(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(octets).astring()


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=60).filter(lambda octets: b"\0" not in octets))
def test_what_we_write_as_a_string_is_read_as_the_same(octets: bytes) -> None:
    for written in (astring(octets), string(octets), literal(octets)):
        cursor = Cursor(written + b" next")
        assert cursor.astring() == octets
        cursor.space()
        assert cursor.atom() == b"next"


NUMBER = st.one_of(st.integers(1, 40), st.just(STAR))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.one_of(NUMBER.map(lambda n: (n, n)), st.tuples(NUMBER, NUMBER)), min_size=1, max_size=12),
    st.booleans(),
)
def test_a_sequence_set_is_the_same_in_whatever_order_it_is_written(
    pairs: list[tuple[int, int]], ordered: bool
) -> None:
    written = sorted(pairs) if ordered else pairs
    texts = [b"*" if n == STAR else b"%d" % n for pair in written for n in pair]
    pieces = [low if low == high else low + b":" + high for low, high in zip(texts[::2], texts[1::2], strict=True)]
    found = Cursor(b",".join(pieces)).sequence_set(1000)
    assert found == SequenceSet.of(pairs)
    here = [1, 2, 3, 5, 8, 13, 21, 34, 40]
    assert found.select(here) == [number for number in here if number in found]


@pytest.mark.parametrize(
    ("octets", "ranges", "star"),
    [
        (b"1", ((1, 1),), False),
        (b"5:1", ((1, 5),), False),
        (b"*", ((STAR, STAR),), True),
        (b"*:4", ((4, STAR),), True),
        (b"1,2,3", ((1, 3),), False),
        (b"7,1:3,2:5,9:*", ((1, 5), (7, 7), (9, STAR)), True),
        # Named as a number it is not "the last message".
        (b"4294967295", ((STAR - 1, STAR - 1),), False),
    ],
)
def test_a_sequence_set_is_normalised(octets: bytes, ranges: tuple[tuple[int, int], ...], star: bool) -> None:
    assert Cursor(octets).sequence_set(1000) == SequenceSet(ranges=ranges, star=star)


@pytest.mark.parametrize(
    "octets",
    [b"0", b"1,0", b"4294967296", b"99999999999", b"", b"a", b"1,", b",1", b"1:", b":1", b"1:2:3", b"-1", b"$"],
)
def test_what_is_no_sequence_set_is_refused(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(octets).sequence_set(1000)


def test_a_thousand_separate_ranges_pass_and_one_more_is_declined() -> None:
    numbers = [b"%d" % (2 * number) for number in range(1, 1002)]
    assert len(Cursor(b",".join(numbers[:1000])).sequence_set(1000).ranges) == 1000
    with pytest.raises(Declined) as declined:
        Cursor(b",".join(numbers)).sequence_set(1000)
    assert declined.value.code == b"LIMIT"


def test_many_ranges_that_join_are_one() -> None:
    assert Cursor(b",".join([b"1:4"] * 10_000)).sequence_set(1000).ranges == ((1, 4),)


@pytest.mark.parametrize("octets", [b"4294967296", b"00000000001", b"9" * 100, b"x", b""])
def test_numbers_out_of_range_are_refused(octets: bytes) -> None:
    with pytest.raises(BadSyntax):
        Cursor(octets).number()


def test_modseq_goes_to_63_bits() -> None:
    assert Cursor(b"9223372036854775807").modseq() == 2**63 - 1
    for octets in (b"9223372036854775808", b"99999999999999999999"):
        with pytest.raises(BadSyntax):
            Cursor(octets).modseq()


def test_a_command_has_a_bounded_number_of_words() -> None:
    cursor = Cursor(b"a " * 20, atoms=10)
    with pytest.raises(BadSyntax, match="too many words"):
        for _ in range(20):
            cursor.atom()
            cursor.space()


def test_one_trailing_space_is_forgiven_and_no_more() -> None:
    Cursor(b" ").finish()
    with pytest.raises(BadSyntax):
        Cursor(b"  ").finish()
