"""The text of RETR and TOP, for any message and any cut of it; the oracles work line by line."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.pop3.text import Stuffing, TopText, WireText, size_from_ends

ANY = st.lists(
    st.sampled_from([b"a", b".", b"..", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n.\r\n", b"\n.\n", b"Subject: x", b"\0"]),
    max_size=14,
).map(b"".join)
CLEAN = st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r\n.\r\n", b"X: y\r\n", b"long word"]), max_size=12).map(
    b"".join
)


def cut(octets: bytes, step: int) -> list[bytes]:
    return [octets[at : at + step] for at in range(0, len(octets), step)]


def expected(message: bytes) -> bytes:
    """Line by line what WireText does by chunks."""
    text = re.sub(rb"(?<!\r)\n", b"\r\n", message)
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    return text if b"\r\n\r\n" in b"\r\n" + text else text + b"\r\n"


def sent(message: bytes, step: int, lines: int | None = None) -> bytes:
    """As the maildrop puts it together."""
    wire, stuffing = WireText(), Stuffing()
    top = TopText(lines) if lines is not None else None
    out = b""
    for octets in [wire.push(chunk) for chunk in cut(message, step)] + [wire.end()]:
        out += stuffing.push(top.push(octets) if top is not None else octets)
    return out


def unstuffed(octets: bytes) -> bytes:
    lines = octets.split(b"\r\n")
    assert lines[-1] == b""
    assert b"." not in lines
    return b"\r\n".join(line[1:] if line[:1] == b"." else line for line in lines)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=ANY, step=st.integers(1, 9))
def test_what_is_sent_is_the_message_with_clean_lines_for_any_cut(message: bytes, step: int) -> None:
    octets = sent(message, step)
    assert unstuffed(octets) == expected(message)
    assert octets.count(b"\n") == octets.count(b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + octets


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=CLEAN, step=st.integers(1, 9))
def test_a_clean_message_with_a_blank_line_is_sent_as_it_is(message: bytes, step: int) -> None:
    message = b"Subject: x\r\n\r\n" + message + b"\r\n"
    assert unstuffed(sent(message, step)) == message


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=ANY, step=st.integers(1, 9), lines=st.integers(0, 5))
def test_top_is_the_header_the_blank_line_and_so_many_lines(message: bytes, step: int, lines: int) -> None:
    header, _, text = (b"\r\n" + expected(message)).partition(b"\r\n\r\n")
    body = b"".join(line + b"\r\n" for line in text.split(b"\r\n")[:-1][:lines])
    head = header[2:] + b"\r\n\r\n" if header else b"\r\n"
    assert unstuffed(sent(message, step, lines)) == head + body


@settings(derandomize=True, deadline=None, max_examples=400)
@given(message=CLEAN)
def test_the_size_of_a_clean_message_is_known_from_its_ends(message: bytes) -> None:
    found = (b"\r\n" + message).find(b"\r\n\r\n")
    inside = found >= 0 and found + 2 < len(message)
    assert size_from_ends(len(message), message[-4:], blank_line=inside) == len(expected(message))


def test_a_lone_dot_between_bare_line_feeds_cannot_end_the_answer() -> None:
    assert sent(b"a: b\n\n.\n-ERR smuggled\n", 5) == b"a: b\r\n\r\n..\r\n-ERR smuggled\r\n"


def test_an_empty_message_is_a_blank_line() -> None:
    assert sent(b"", 1) == b"\r\n"
    assert size_from_ends(0, b"", blank_line=False) == 2
