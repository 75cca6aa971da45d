"""Rewrites parts marked ``Content-Transfer-Encoding: binary`` as base64, while the message streams through.

For messages that come as literal8 (RFC 3516 §4.4): stored so, every client can fetch them, and BINARY gives the octets
back. Owns the rewriting. What headers mean is ``entity``'s; memory is bounded by one header, one chunk and a few lines.
"""

from __future__ import annotations

from base64 import encodebytes
from typing import Final

from xtramail.wire.mime import limits
from xtramail.wire.mime.entity import Entity, Kind
from xtramail.wire.mime.header import fields

_FIELD: Final = b"content-transfer-encoding"
_GROUP: Final = 57 * 512
"""Octets encoded at once: whole lines of 76 characters (RFC 2045 §6.8)."""
_UNDECIDED: Final = len(b"\r\n--") - 1
"""A delimiter may begin in as many octets at the end of what is there."""


class BinaryParts:
    """``feed`` the octets in any pieces, then ``finish``; both give octets of the message as it is to be stored.

    What it gives does not depend on how the octets were cut. Every other octet passes as it came; a message whose
    header does not end, or that nests too deep, passes whole from there on. No content makes it raise.
    """

    def __init__(self) -> None:
        # A line feed that is not there: so that every line start looks the same.
        self._waiting = b"\n"
        """What is not decided, and behind it what comes; its first octet is the last one decided."""
        self._header: list[bytes] | None = []
        """Lines of the header being read; None in a body."""
        self._header_octets = 0
        self._in_digest = False
        self._open: list[tuple[bytes, bool]] = []
        """Delimiter lines of the multiparts around, outermost first, and whether each is a digest."""
        self._levels = 0
        self._encoding = False
        self._raw: list[bytes] = []
        """Octets of the part being encoded, fewer than a group."""
        self._raw_octets = 0
        self._begun = False
        self._passing = False
        self._out: list[bytes] = []

    def feed(self, octets: bytes) -> bytes:
        if self._passing:
            return octets
        self._waiting += octets
        self._read(final=False)
        return self._given()

    def finish(self) -> bytes:
        if not self._passing:
            self._read(final=True)
            if self._header is not None:
                self._end_header()
            if self._end_part():
                self._out.append(b"\r\n")
        return self._given()

    def _given(self) -> bytes:
        given = b"".join(self._out)
        self._out.clear()
        return given

    def _read(self, *, final: bool) -> None:
        at = 1
        while at < len(self._waiting) and not self._passing:
            following = self._header_line(at, final) if self._header is not None else self._body(at, final)
            if following == at:
                break
            at = following
        if self._passing:
            self._out.append(self._waiting[at:])
            self._waiting = b""
        else:
            self._waiting = self._waiting[at - 1 :]

    # Headers

    def _header_line(self, at: int, final: bool) -> int:
        """Index behind the line at ``at``; ``at`` itself when its end is not there yet."""
        octets, lines = self._waiting, self._header
        assert lines is not None
        end = octets.find(b"\n", at) + 1
        if self._header_octets + (end or len(octets)) - at > limits.HEADER_OCTETS:
            self._out += lines
            self._header, self._passing = None, True
            return at
        if not end and not final:
            return at
        line = octets[at : end or len(octets)]
        if line.startswith(b"--") and line.rstrip(b" \t\r\n") in self._delimiters():
            # A part whose header never ends: what follows is its sibling's.
            self._end_header()
            return self._body(at, final)
        lines.append(line)
        self._header_octets += len(line)
        if line in (b"\r\n", b"\n"):
            self._end_header()
        return at + len(line)

    def _end_header(self) -> None:
        assert self._header is not None
        header = b"".join(self._header)
        entity = Entity(header_at=0, is_message=False, in_digest=self._in_digest)
        entity.read_header(header)
        binary = entity.encoding == b"binary"
        self._header = None
        self._encoding = binary and entity.kind is Kind.LEAF
        if binary:
            # Nothing inside is binary any more, so neither is what is around it (RFC 2045 §6.4).
            header = _marked(header, b"base64" if self._encoding else b"8bit")
        self._out.append(header)
        if entity.kind is Kind.MULTIPART and entity.boundary is not None:
            self._open.append((b"--" + entity.boundary, entity.subtype == b"digest"))
        elif entity.kind is Kind.MESSAGE:
            self._begin_header(in_digest=False)

    def _begin_header(self, *, in_digest: bool) -> None:
        self._levels += 1
        if self._levels > limits.PARTS or len(self._open) > limits.DEPTH:
            self._passing = True
            return
        self._header, self._header_octets, self._in_digest = [], 0, in_digest

    # Bodies

    def _delimiters(self) -> dict[bytes, tuple[int, bool]]:
        """Line to (index of the multipart, whether it closes it); the innermost one counts."""
        found: dict[bytes, tuple[int, bool]] = {}
        for index, (line, _) in enumerate(self._open):
            found[line] = (index, False)
            found[line + b"--"] = (index, True)
        return found

    def _body(self, at: int, final: bool) -> int:
        """Index behind what could be decided: up to and with the next delimiter line."""
        octets, size = self._waiting, len(self._waiting)
        delimiters = self._delimiters()
        look = at - 1
        while delimiters and (start := octets.find(b"\n--", look)) >= 0:
            end = octets.find(b"\n", start + 3, start + 3 + limits.DELIMITER_OCTETS)
            if end < 0 and size - start - 3 >= limits.DELIMITER_OCTETS:
                look = start + 3
                continue
            if end < 0 and not final:
                return self._take(at, max(start - 1, at))
            found = delimiters.get(octets[start + 1 : end if end >= 0 else size].rstrip(b" \t\r"))
            if found is not None:
                return self._delimit(at, start, end + 1 or size, *found)
            look = start + 3
        undecided = _UNDECIDED if delimiters and not final else 0
        return self._take(at, max(size - undecided, at))

    def _take(self, at: int, end: int) -> int:
        """Octets of a body."""
        octets = self._waiting[at:end]
        if not self._encoding:
            self._out.append(octets)
            return end
        self._raw.append(octets)
        self._raw_octets += len(octets)
        if self._raw_octets >= _GROUP:
            raw = b"".join(self._raw)
            whole = len(raw) - len(raw) % _GROUP
            self._encode(raw[:whole])
            self._raw, self._raw_octets = [raw[whole:]], len(raw) - whole
        return end

    def _encode(self, raw: bytes) -> None:
        if raw:
            lines = encodebytes(raw).removesuffix(b"\n").replace(b"\n", b"\r\n")
            self._out.append(b"\r\n" + lines if self._begun else lines)
            self._begun = True

    def _end_part(self) -> bool:
        """Whether it was an encoded one with octets in it; its last line is not ended then."""
        self._encode(b"".join(self._raw))
        begun = self._begun
        self._encoding = self._begun = False
        self._raw, self._raw_octets = [], 0
        return begun

    def _delimit(self, at: int, start: int, following: int, index: int, closes: bool) -> int:
        """The line end at ``start`` and the line behind it, up to ``following``, end a part that goes on at ``at``."""
        octets = self._waiting
        if start > at and octets[start - 1 : start] == b"\r":
            start -= 1
        start = max(start, at)
        self._take(at, start)
        self._end_part()
        self._out.append(octets[start:following])
        del self._open[index + 1 :]
        if closes:
            del self._open[index]
        else:
            self._begin_header(in_digest=self._open[index][1])
        return following


def _marked(header: bytes, encoding: bytes) -> bytes:
    """``header`` with another Content-Transfer-Encoding."""
    for field in fields(header):
        if field.name == _FIELD:
            value_at, end = field.value_at, field.end
            line_end = b"\r\n" if header[:end].endswith(b"\r\n") else b"\n" if header[:end].endswith(b"\n") else b""
            return header[:value_at] + b" " + encoding + line_end + header[end:]
    return header
