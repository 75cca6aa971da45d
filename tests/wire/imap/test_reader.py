from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.errors import MisuseError
from xtramail.wire.imap.reader import Asked, Chunk, CommandReader, Frame, Streamed, Whole


def _reader() -> CommandReader:
    return CommandReader(line=1000, swallow=1000, chunk=16)


def _taking(reader: CommandReader, pieces: list[bytes]) -> list[Frame]:
    """Frames of a stream whose every literal is taken."""
    frames: list[Frame] = []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next()) is not None:
            if isinstance(frame, Asked):
                reader.take()
            else:
                frames.append(frame)
    return frames


_TEXTS = st.text(alphabet="abc ()*{", max_size=12).map(str.encode)
_LITERALS = st.binary(max_size=12).filter(lambda octets: b"\0" not in octets)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(_TEXTS, st.lists(st.tuples(_LITERALS, _TEXTS), max_size=3)), max_size=4),
    st.lists(st.integers(0, 200), max_size=12),
)
def test_commands_come_back_however_the_stream_is_split(
    written: list[tuple[bytes, list[tuple[bytes, bytes]]]], cuts: list[int]
) -> None:
    lines = [
        text + b"".join(b"{%d+}\r\n%b%b" % (len(literal), literal, more) for literal, more in literals)
        for text, literals in written
    ]
    stream = b"".join(line + b"\r\n" for line in lines)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[low:high] for low, high in zip(edges, edges[1:], strict=False)]
    assert _taking(_reader(), pieces) == [Whole(line) for line in lines]


def test_a_streamed_literal_comes_in_chunks_of_bounded_size() -> None:
    reader = _reader()
    reader.feed(b"a {20}\r\n" + b"x" * 20 + b"\r\nb\r\n")
    assert reader.next() == Asked(octets=b"a {20}", size=20, synchronizing=True, index=1, earlier=0)
    reader.stream()
    assert [reader.next() for _ in range(5)] == [Chunk(b"x" * 16), Chunk(b"x" * 4), Streamed(b""), Whole(b"b"), None]


def test_an_announced_literal_must_be_decided_about() -> None:
    reader = _reader()
    for call in (reader.take, reader.stream, reader.refuse):
        with pytest.raises(MisuseError):
            call()
    reader.feed(b"a {5}\r\n")
    assert isinstance(reader.next(), Asked)
    with pytest.raises(MisuseError):
        reader.next()


def test_what_only_looks_like_a_literal_is_text() -> None:
    lines = [b"a {x}", b"a {}", b"a {-1}", b"a {3", b"a {3} ", b"{" * 40 + b"}", b"a {3++}", b"a {3-}"]
    assert _taking(_reader(), [b"\r\n".join(lines) + b"\r\n"]) == [Whole(line) for line in lines]
