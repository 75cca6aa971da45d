"""Lines for any cut of the stream, and what is no line."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.lines import LineBuffer, LineFault


def lines(octets: bytes, step: int) -> list[bytes | LineFault]:
    buffer = LineBuffer()
    found: list[bytes | LineFault] = []
    for at in range(0, len(octets), step):
        buffer.feed(octets[at : at + step])
        while (line := buffer.line()) is not None:
            found.append(line)
            if line in (LineFault.ENDLESS, LineFault.BAD_OCTETS):
                return found
    return found


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    words=st.lists(st.sampled_from([b"", b"a", b"QUIT", b"x" * 2046, b"x" * 2047, b"y" * 5000]), max_size=6),
    end=st.sampled_from([b"", b"half", b"\n", b"a\rb\r\n", b"a\0"]),
    step=st.sampled_from([1, 2, 3, 700, 2048, 100_000]),
)
def test_lines_are_the_same_for_any_cut(words: list[bytes], end: bytes, step: int) -> None:
    expected: list[bytes | LineFault] = [word if len(word) <= 2046 else LineFault.TOO_LONG for word in words]
    if end not in (b"", b"half"):
        expected.append(LineFault.BAD_OCTETS)
    assert lines(b"".join(word + b"\r\n" for word in words) + end, step) == expected


def test_an_endless_line_is_told_after_64_kib() -> None:
    for step in (1000, 100_000):
        assert lines(b"x" * 70_000, step) == [LineFault.ENDLESS]


def test_octets_between_lines_are_taken_as_they_are() -> None:
    buffer = LineBuffer()
    buffer.feed(b"BDAT 4\r\n\n\r\0.QUIT\r\n")
    assert buffer.line() == b"BDAT 4"
    assert buffer.take(4) == b"\n\r\0."
    assert buffer.line() == b"QUIT"
    assert len(buffer) == 0
    assert buffer.take(10) == b""


def test_what_was_taken_too_much_can_be_put_back() -> None:
    buffer = LineBuffer()
    buffer.feed(b"text.NOOP\r\nRSET\r\n")
    buffer.put_back(buffer.take(7)[5:])
    assert buffer.line() == b"NOOP"
    assert buffer.line() == b"RSET"


def test_clearing_forgets_a_half_read_line() -> None:
    buffer = LineBuffer()
    buffer.feed(b"x" * 3000)
    assert buffer.line() is None
    buffer.clear()
    buffer.feed(b"NOOP\r\n")
    assert buffer.line() == b"NOOP"
