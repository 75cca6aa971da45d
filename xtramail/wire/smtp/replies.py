"""SMTP replies as bytes: rendering ours, reading a server's.

Owns the form of RFC 5321 §4.2 and RFC 2034 only; which reply is given is decided elsewhere. The reader is bounded: a
server that answers without end must not fill our memory.
"""

from __future__ import annotations

from xtramail.model.outcome import Reply
from xtramail.wire.errors import ProtocolError

_MOST_LINE = 2048
_MOST_LINES = 100
_MOST_TEXT = 400
"""Octets of text in a line we send: code, enhanced code and CRLF stay within 512 (RFC 5321 §4.5.3.1.5)."""

_UNPRINTABLE = dict.fromkeys((*range(32), 127), " ")
_CLASSES = {"2": "2", "4": "4", "5": "5"}


def render(reply: Reply) -> bytes:
    """The reply as it is sent. Control characters in its text become spaces, so that no text can end a line."""
    if len(reply.lines) == 1 and _is_ready(text := reply.lines[0]):
        prefix = f"{reply.code} {reply.enhanced} " if reply.enhanced else f"{reply.code} "
        return f"{prefix}{text}\r\n".encode("ascii")
    texts: list[str] = []
    for line in reply.lines or ("",):
        texts.extend(_wrapped(line.translate(_UNPRINTABLE)))
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    last = len(texts) - 1
    return "".join(
        f"{reply.code}{' ' if index == last else '-'}{prefix}{text}".rstrip(" " if prefix or text else "") + "\r\n"
        for index, text in enumerate(texts)
    ).encode("utf-8", "replace")


def _is_ready(text: str) -> bool:
    """Whether it goes as it is, as nearly every text does."""
    return 0 < len(text) <= _MOST_TEXT and text.isascii() and text.isprintable() and text[-1] != " "


def _wrapped(text: str) -> list[str]:
    """Pieces of at most 400 octets; a piece holds whole characters."""
    if len(text.encode("utf-8", "replace")) <= _MOST_TEXT:
        return [text]
    step = _MOST_TEXT // 4
    return [text[at : at + step] for at in range(0, len(text), step)]


class ReplyReader:
    """Server replies out of a stream: ``feed``, then ``next`` until it gives None."""

    __slots__ = ("_buffer", "_code", "_lines", "count")

    def __init__(self) -> None:
        self.count = 0
        """Replies given so far."""
        self._buffer = b""
        self._code = ""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def buffered(self) -> bool:
        """Has anything come that is not part of a reply given already?"""
        return bool(self._buffer or self._lines)

    def clear(self) -> None:
        """Forget what came (TLS begins)."""
        self._buffer = b""
        self._code = ""
        self._lines = []

    def next(self) -> Reply | None:
        """The next whole reply; None when more bytes are needed. ProtocolError on anything else than a reply."""
        while True:
            end = self._buffer.find(b"\n")
            if end >= _MOST_LINE or (end < 0 and len(self._buffer) >= _MOST_LINE):
                raise ProtocolError("the server sent a reply line over 2 KiB")
            if end < 0:
                return None
            # A lone LF is let pass here: some scripted servers greet so, and nothing of ours can be smuggled in a
            # reply.
            line = self._buffer[:end].removesuffix(b"\r")
            self._buffer = self._buffer[end + 1 :]
            reply = self._take(line)
            if reply is not None:
                self.count += 1
                return reply

    def _take(self, line: bytes) -> Reply | None:
        code, mark = line[:3], line[3:4]
        if not (len(code) == 3 and code.isdigit() and code[0] in b"2345" and mark in (b"", b" ", b"-")):
            raise ProtocolError("the server sent something that is not a reply")
        digits = code.decode("ascii")
        if self._lines and digits != self._code:
            raise ProtocolError("the server changed the code inside a reply")
        self._code = digits
        self._lines.append(line[4:].decode("utf-8", "replace").translate(_UNPRINTABLE))
        if len(self._lines) > _MOST_LINES:
            raise ProtocolError("the server sent a reply of over 100 lines")
        if mark == b"-":
            return None
        lines, self._lines = self._lines, []
        enhanced = _enhanced(digits, lines[0])
        if enhanced:
            lines = [_without(enhanced, text) for text in lines]
        return Reply(code=int(digits), enhanced=enhanced, lines=tuple(lines))


def _enhanced(code: str, text: str) -> str:
    """``class.subject.detail`` at the start of the text (RFC 2034 §4) when its class is the code's, else empty."""
    first = text.split(" ", 1)[0]
    parts = first.split(".")
    if len(parts) != 3 or parts[0] != _CLASSES.get(code[0]):
        return ""
    return first if all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts) else ""


def _without(enhanced: str, text: str) -> str:
    first, _, rest = text.partition(" ")
    return rest if first == enhanced else text
