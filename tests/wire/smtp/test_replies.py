"""Replies to bytes and back, and servers that answer junk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.model.outcome import Reply
from xtramail.wire.errors import ProtocolError
from xtramail.wire.smtp.replies import ReplyReader, render


def read(octets: bytes, step: int = 10_000) -> list[Reply]:
    reader = ReplyReader()
    replies = []
    for at in range(0, len(octets), step):
        reader.feed(octets[at : at + step])
        while (reply := reader.next()) is not None:
            replies.append(reply)
    return replies


@pytest.mark.parametrize(
    ("reply", "octets"),
    [
        (Reply.of(250, "2.1.0", "ok"), b"250 2.1.0 ok\r\n"),
        (Reply.of(354, "", "go on"), b"354 go on\r\n"),
        (Reply.of(334, "", ""), b"334 \r\n"),
        (Reply(code=250, enhanced="", lines=("a", "B c", "d")), b"250-a\r\n250-B c\r\n250 d\r\n"),
        (Reply(code=550, enhanced="5.1.1", lines=("no", "one")), b"550-5.1.1 no\r\n550 5.1.1 one\r\n"),
    ],
)
@pytest.mark.parametrize("step", [1, 10_000])
def test_replies_there_and_back(reply: Reply, octets: bytes, step: int) -> None:
    assert render(reply) == octets
    assert read(octets, step) == [reply]


def test_no_text_can_end_a_line() -> None:
    assert render(Reply.of(550, "5.1.1", "a\r\n250 ok\0\x7f")) == b"550 5.1.1 a  250 ok\r\n"


def test_long_texts_are_spread_over_lines_of_at_most_512_octets() -> None:
    octets = render(Reply.of(550, "5.1.1", "é" * 2000))
    lines = octets.split(b"\r\n")[:-1]
    assert all(len(line) <= 510 for line in lines)
    assert all(line.startswith(b"550-") for line in lines[:-1])
    assert "".join(line.decode()[10:] for line in lines) == "é" * 2000


def test_a_code_alone_is_a_reply() -> None:
    assert read(b"250\r\n220 \r\n") == [Reply.of(250, "", ""), Reply.of(220, "", "")]


def test_an_enhanced_code_of_another_class_is_text() -> None:
    assert read(b"250 5.1.1 odd\r\n") == [Reply.of(250, "", "5.1.1 odd")]
    assert read(b"220 1.2.3.4 hello\r\n") == [Reply.of(220, "", "1.2.3.4 hello")]


def test_lone_line_feeds_are_borne_in_replies() -> None:
    assert read(b"220 hello\n") == [Reply.of(220, "", "hello")]


def test_control_characters_of_a_server_do_not_reach_logs() -> None:
    assert read(b"550 5.1.1 a\x1b[31m\xff\r\n")[0].lines == ("a [31m\ufffd",)


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"\r\n",
        b"25\r\n",
        b"150 x\r\n",
        b"650 x\r\n",
        b"250_x\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\nb\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250 " + b"x" * 2048,
        b"250 " + b"x" * 2048 + b"\r\n",
        b"250-x\r\n" * 101,
    ],
)
def test_junk_is_a_protocol_error(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(octets)


def test_a_hundred_lines_are_borne() -> None:
    assert len(read(b"250-x\r\n" * 99 + b"250 x\r\n")[0].lines) == 100


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_no_octets_do_worse_than_a_protocol_error(octets: bytes) -> None:
    try:
        read(octets, step=3)
    except ProtocolError:
        pass
