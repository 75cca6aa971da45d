"""Needles in texts that lie in several rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.mailbox.finding import anywhere, in_field_of, in_text_of


def pieces(header: bytes, text: bytes, *, size: int = 0, owners: bytes = b"") -> list[memoryview]:
    """As ``store.search_texts`` lays them down, with a row of text for every ``size`` octets."""
    rows = [text[start : start + size] for start in range(0, len(text), size)] if size else []
    count = (0x8000 | len(owners) // 4).to_bytes(2, "big")
    first = count + bytes([len(rows)]) + bytes(2) + len(header).to_bytes(2, "big") + owners + header
    return [memoryview(row) for row in (first + (b"" if size else text), *rows)]


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    text=st.binary(max_size=40).map(lambda octets: bytes(97 + octet % 3 for octet in octets)),
    needle=st.binary(min_size=1, max_size=7).map(lambda octets: bytes(97 + octet % 3 for octet in octets)),
    size=st.integers(0, 9),
)
def test_a_needle_across_rows_is_found(text: bytes, needle: bytes, size: int) -> None:
    # Rows are far longer than needles that are sought at their seams.
    if size and len(needle) > size:
        return
    stored = pieces(b"\nx: y\n", text, size=size)
    assert in_text_of(needle)(stored) == (needle in text)
    assert anywhere(needle)(stored) == (needle in text)


def test_a_needle_as_long_as_a_row_is_found_across_three() -> None:
    text = b"ab" * 10_000
    assert in_text_of(text[1:15_000])(pieces(b"\nx: y\n", text, size=6_000))
    assert not in_text_of(text[1:15_000] + b"x")(pieces(b"\nx: y\n", text, size=6_000))


@pytest.mark.parametrize("size", [0, 3])
def test_header_and_text_are_kept_apart(size: int) -> None:
    stored = pieces(b"\nsubject: one\nx-a: two\n", b"three", size=size, owners=b"four")
    assert anywhere(b"one")(stored) and anywhere(b"three")(stored) and anywhere(b"subject: o")(stored)
    assert not in_text_of(b"one")(stored) and in_text_of(b"hre")(stored) and in_text_of(b"")(stored)
    assert not anywhere(b"two\nthree")(stored) and anywhere(b"one\nx-a")(stored)
    assert not any(find(stored) for find in (anywhere(b"four"), in_text_of(b"four"), in_field_of("subject", b"four")))


@pytest.mark.parametrize(
    ("field", "needle", "expected"),
    [
        ("subject", b"one", True), ("subject", b"", True), ("subject", b"two", False), ("x-a", b"two", True),
        ("x-a", b" two", False), ("x-b", b"", True), ("x-b", b"x", False), ("x-c", b"", False), ("x", b"", False),
        ("subject", b"one\nx-a", False), ("x-d", b"wo th", True), ("a", b"two", False),
    ],
)  # fmt: skip
def test_a_field_is_found_by_its_whole_name_and_within_its_line(field: str, needle: bytes, expected: bool) -> None:
    header = b"\nsubject: one\nx-a:\t two\nx-b:\nx-d : two three\n"
    assert in_field_of(field, needle)(pieces(header, b"")) is expected
