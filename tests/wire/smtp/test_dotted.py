"""The DATA reader against a simple one, for any cut of the stream; stuffing and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.errors import MisuseError
from xtramail.wire.smtp.dotted import FINAL_DOT, DotReader, LineEndCheck, Stuffer
from xtramail.wire.smtp.text_check import TextFault

PIECES = st.lists(
    st.sampled_from([b"\r\n", b".", b"..", b"a", b"text", b"\r\n.", b"\r\n..", b"\xff"]), max_size=30
).map(b"".join)
ROUGH = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"a", b"\0", b"\r\n.", b"\r\n.\r", b"\n.\n"]), max_size=20
).map(b"".join)
CUTS = st.lists(st.integers(min_value=1, max_value=7), max_size=80)


def cut(octets: bytes, lengths: list[int]) -> list[bytes]:
    pieces = []
    for length in lengths:
        pieces.append(octets[:length])
        octets = octets[length:]
    return [piece for piece in [*pieces, octets] if piece]


def reference(stream: bytes) -> tuple[bytes, bytes] | None:
    """Text and rest, line by line as RFC 5321 §4.5.2 tells it; None without an end."""
    text = b""
    while b"\r\n" in stream:
        line, _, stream = stream.partition(b"\r\n")
        if line == b".":
            return text, stream
        text += line.removeprefix(b".") + b"\r\n"
    return None


def read(stream: bytes, lengths: list[int]) -> tuple[DotReader, bytes, bytes]:
    """Reader, text, and what was left of the stream."""
    reader = DotReader(size_limit=10_000)
    text = b""
    pieces = cut(stream, lengths)
    while pieces and not reader.done:
        text += reader.read(pieces.pop(0))
    return reader, text, reader.rest + b"".join(pieces)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=PIECES, rest=PIECES, lengths=CUTS)
def test_reading_equals_the_reference_for_any_cut(message: bytes, rest: bytes, lengths: list[int]) -> None:
    stream = message + b"\r\n.\r\n" + rest
    expected = reference(stream)
    assert expected is not None
    reader, text, left = read(stream, lengths)
    assert reader.done
    assert reader.fault is None
    assert (text, left) == expected
    assert reader.size == len(text)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=ROUGH, lengths=CUTS)
def test_bare_line_ends_are_found_for_any_cut(message: bytes, lengths: list[int]) -> None:
    stream = message + b"a\r\n.\r\n"
    expected = reference(stream)
    assert expected is not None
    raw = stream[: len(stream) - len(expected[1]) - 3]
    rest = raw.replace(b"\r\n", b"")
    bad = any(octet in rest for octet in b"\r\n\0")
    reader, _, left = read(stream, lengths)
    assert reader.done
    assert left == expected[1]
    assert (reader.fault is TextFault.BARE) == bad


@settings(derandomize=True, deadline=None, max_examples=300)
@given(message=PIECES, lengths=CUTS, back=CUTS)
def test_stuffing_and_reading_give_the_message_back(message: bytes, lengths: list[int], back: list[int]) -> None:
    stuffer = Stuffer()
    wire = b"".join(stuffer.push(piece) for piece in cut(message, lengths)) + stuffer.end() + FINAL_DOT
    reader, text, left = read(wire, back)
    assert reader.done
    assert left == b""
    assert text == (message if message.endswith(b"\r\n") or not message else message + b"\r\n")


def test_an_empty_message_is_a_lone_dot() -> None:
    reader, text, left = read(b".\r\nQUIT\r\n", [])
    assert reader.done
    assert (text, left) == (b"", b"QUIT\r\n")


@pytest.mark.parametrize("octets", [b"a\rb", b"a\nb", b"\n", b"a\0", b"\r\r\n"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_bare_line_ends_are_never_sent(octets: bytes, bytewise: bool) -> None:
    for checker in (Stuffer(), LineEndCheck()):
        with pytest.raises(MisuseError):
            for piece in cut(octets, [1] * len(octets) if bytewise else []):
                checker.push(piece)
            checker.end()


def test_a_final_bare_cr_is_never_sent() -> None:
    for checker in (Stuffer(), LineEndCheck()):
        checker.push(b"a\r")
        with pytest.raises(MisuseError):
            checker.end()


def test_nothing_is_handed_on_behind_a_fault() -> None:
    reader = DotReader(size_limit=100)
    assert reader.read(b"good\r\nmore") == b"good\r\nmore"
    assert reader.read(b"bad\n") == b""
    assert reader.read(b"good\r\nagain") == b""


def test_the_worst_fault_is_told() -> None:
    reader = DotReader(size_limit=10)
    reader.read(b"x" * 15)
    assert reader.fault is TextFault.TOO_LARGE
    reader.read(b"\n")
    assert reader.fault is TextFault.BARE
