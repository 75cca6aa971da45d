from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.sequence import STAR, SequenceSet

_NUMBERS = st.integers(1, 40)
_PAIRS = st.lists(st.tuples(_NUMBERS, _NUMBERS), max_size=12)
_PAIRS_WITH_STAR = st.lists(st.tuples(_NUMBERS | st.just(STAR), _NUMBERS | st.just(STAR)), max_size=12)


def _members(pairs: list[tuple[int, int]]) -> set[int]:
    return {number for low, high in pairs for number in range(min(low, high), max(low, high) + 1)}


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_PAIRS)
def test_a_set_holds_exactly_what_its_ranges_name(pairs: list[tuple[int, int]]) -> None:
    numbers = SequenceSet.of(pairs)
    assert {number for number in range(50) if number in numbers} == _members(pairs)
    assert bool(numbers) is bool(pairs)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_PAIRS)
def test_ranges_are_sorted_disjoint_and_apart(pairs: list[tuple[int, int]]) -> None:
    ranges = SequenceSet.of(pairs).ranges
    assert all(low <= high for low, high in ranges)
    assert all(first[1] + 1 < second[0] for first, second in zip(ranges, ranges[1:], strict=False))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_PAIRS, st.sets(st.integers(1, 60)))
def test_select_takes_the_members_in_order(pairs: list[tuple[int, int]], present: set[int]) -> None:
    assert list(SequenceSet.of(pairs).select(sorted(present))) == sorted(_members(pairs) & present)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_PAIRS_WITH_STAR, st.integers(1, 60))
def test_star_is_the_largest_number_in_use(pairs: list[tuple[int, int]], largest: int) -> None:
    named = [(largest if low == STAR else low, largest if high == STAR else high) for low, high in pairs]
    resolved = SequenceSet.of(pairs).resolved(largest)
    in_use = range(1, largest + 1)
    assert list(resolved.select(in_use)) == sorted(_members(named) & set(in_use))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(_PAIRS)
def test_its_text_names_the_same_set(pairs: list[tuple[int, int]]) -> None:
    numbers = SequenceSet.of(pairs)
    pieces = [piece.split(b":") for piece in bytes(numbers).split(b",") if piece]
    assert SequenceSet.of((int(piece[0]), int(piece[-1])) for piece in pieces) == numbers


def test_numbers_join_into_ranges() -> None:
    assert bytes(SequenceSet.of_numbers([5, 1, 2, 3, 9])) == b"1:3,5,9"


def test_ten_thousand_overlapping_ranges_are_one() -> None:
    assert SequenceSet.of((1, number) for number in range(1, 10_001)).ranges == ((1, 10_000),)
