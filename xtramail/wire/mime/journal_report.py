"""Journal reports of Exchange and Microsoft 365: the real envelope of a message, and the message itself inside.

A report is multipart/mixed: first a text with a line for the sender and for each recipient, then message/rfc822. Owns
reading one as it comes, in bounded memory: the text is collected, the message passed on octet for octet. Whatever has
another form is no report, and is passed on whole. Owns no opinion on whom to believe.
"""

from __future__ import annotations

import quopri
from base64 import b64decode
from binascii import Error as BinasciiError
from dataclasses import dataclass
from enum import Enum, auto

from xtramail.wire.mime.header import unfold, values
from xtramail.wire.mime.parameters import parse_content_type, parse_token, raw_parameter

MOST_TEXT = 1 << 20
"""Octets before the message inside begins; a report of ten thousand recipients has half of that."""
MOST_RECIPIENTS = 10_000
_END = b"\r\n\r\n"
_PLAIN = frozenset({b"", b"7bit", b"8bit", b"binary"})
_RECIPIENT = frozenset({"to", "cc", "bcc", "recipient"})
_WANTED = frozenset({b"content-type", b"content-transfer-encoding"})


@dataclass(frozen=True, slots=True)
class JournalEnvelope:
    """Addresses as the report has them. ``sender`` is empty for the null sender."""

    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Opened:
    envelope: JournalEnvelope
    delimiter: bytes
    start: int
    """Where the message inside begins."""


class _Other(Enum):
    MORE = auto()
    """More octets are needed to tell."""
    NONE = auto()
    """It is no report."""


_MORE, _NONE = _Other.MORE, _Other.NONE


class JournalReader:
    """``feed`` the octets as they come, then ``finish``; both give octets of the message that is meant."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._decided = False
        self._next_look = 0
        self._delimiter = b""
        self._ended = False
        self.envelope: JournalEnvelope | None = None
        """Of a report, once ``decided``; None where it is none."""

    @property
    def decided(self) -> bool:
        """It is known whether this is a report; nothing is given before."""
        return self._decided

    def feed(self, octets: bytes) -> bytes:
        self._held += octets
        if not self._decided and len(self._held) >= self._next_look:
            self._look(final=len(self._held) >= MOST_TEXT)
        return self._take() if self._decided else b""

    def finish(self) -> bytes:
        """What was held back; all of it where no report was recognised."""
        if not self._decided:
            self._look(final=True)
        taken = self._take()
        return taken + self._given(len(self._held))

    def _look(self, *, final: bool) -> None:
        opened = _open(bytes(self._held))
        if opened is _MORE and not final:
            # Not at each octet: it begins anew each time.
            self._next_look = len(self._held) + len(self._held) // 4
            return
        self._decided = True
        if isinstance(opened, _Opened) and opened.start <= MOST_TEXT:
            self.envelope, self._delimiter = opened.envelope, opened.delimiter
            del self._held[: opened.start]

    def _take(self) -> bytes:
        """Of a report: up to the delimiter behind the message, holding back what may be its beginning."""
        held, delimiter = self._held, self._delimiter
        if self._ended:
            held.clear()
            return b""
        if not delimiter:
            return self._given(len(held))
        at = 0
        while (found := held.find(delimiter, at)) >= 0:
            behind = bytes(held[found + len(delimiter) : found + len(delimiter) + 2])
            if len(behind) < 2:
                return self._given(found)
            # The delimiter of a part deeper inside may begin like this one.
            if behind in (b"--", b"\r\n") or behind[:1] in (b" ", b"\t"):
                self._ended = True
                given = self._given(found)
                held.clear()
                return given
            at = found + 1
        return self._given(max(0, len(held) - len(delimiter) + 1))

    def _given(self, octets: int) -> bytes:
        """So many from the front are held no more."""
        given = bytes(self._held[:octets])
        del self._held[:octets]
        return given


def _open(octets: bytes) -> _Opened | _Other:
    """The report that ``octets`` begin."""
    end = octets.find(_END)
    if end < 0:
        return _MORE
    kind, _ = _part(octets[: end + 2])
    if kind is None or kind[:2] != (b"multipart", b"mixed"):
        return _NONE
    boundary = raw_parameter(kind[2], b"boundary")
    if not boundary or len(boundary) > 70:
        return _NONE
    delimiter = b"\r\n--" + boundary
    first = octets.find(delimiter, end + 2)
    second = octets.find(delimiter, first + len(delimiter)) if first >= 0 else -1
    if second < 0:
        return _MORE
    envelope = _report(octets[first + len(delimiter) : second])
    if envelope is None:
        return _NONE
    begin = second + len(delimiter)
    start = octets.find(_END, begin)
    if start < 0:
        return _MORE
    kind, encoding = _part(octets[octets.find(b"\r\n", begin) + 2 : start + 2])
    if kind is None or kind[:2] != (b"message", b"rfc822") or encoding not in _PLAIN:
        return _NONE
    return _Opened(envelope=envelope, delimiter=delimiter, start=start + len(_END))


def _part(header: bytes) -> tuple[tuple[bytes, bytes, list[tuple[bytes, bytes]]] | None, bytes]:
    """Content-Type and Content-Transfer-Encoding of a part."""
    found = values(unfold(header), _WANTED)
    kind = parse_content_type(found[b"content-type"][0]) if b"content-type" in found else None
    encoding = parse_token(found[b"content-transfer-encoding"][0]) if b"content-transfer-encoding" in found else b""
    return kind, encoding


def _report(part: bytes) -> JournalEnvelope | None:
    """The envelope that a first part tells; None when it tells none."""
    # Behind the delimiter's line end; a part may have no header at all.
    header, found, body = part.partition(b"\r\n")[2].partition(_END)
    if not found:
        header, body = b"", part.partition(_END)[2]
    kind, encoding = _part(header + b"\r\n")
    if kind is not None and kind[:2] != (b"text", b"plain"):
        return None
    return _lines(_decoded(body, encoding).decode("utf-8", "replace"))


def _decoded(body: bytes, encoding: bytes) -> bytes:
    if encoding == b"quoted-printable":
        return quopri.decodestring(body)
    if encoding == b"base64":
        try:
            return b64decode(body)
        except BinasciiError:
            return b""
    return body


def _lines(text: str) -> JournalEnvelope | None:
    sender: str | None = None
    recipients: dict[str, None] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        field = name.strip().lower()
        # "To: bob@example.org, Expanded: staff@example.org" says how Bob came to be one.
        address = value.partition(",")[0].strip().strip("<>")
        if not colon:
            continue
        if field == "sender" and sender is None:
            sender = address
        elif field in _RECIPIENT and "@" in address and len(recipients) < MOST_RECIPIENTS:
            recipients[address] = None
    if sender is None or not recipients:
        return None
    return JournalEnvelope(sender=sender if "@" in sender else "", recipients=tuple(recipients))
