"""Address lists of RFC 5322 §3.4 with the obsolete forms of §4.4, as ENVELOPE wants them.

Owns From, Sender, Reply-To, To, Cc and Bcc. Strings stay as the header has them: quoting removed, encoded words kept.
What SMTP calls a path is ``wire/smtp/grammar``'s. One pass, no recursion; whatever comes, some list comes out.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from xtramail.wire.mime import limits
from xtramail.wire.mime.charset import decode_unlabelled


class EnvelopeAddress(NamedTuple):
    """The four strings of RFC 9051 §7.5.2. A group begins with only ``mailbox`` set and ends with nothing set."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None

    @property
    def address(self) -> str:
        """``local@domain`` as text, quoted where RFC 5322 §3.4.1 needs it; empty for the marks of a group."""
        if self.mailbox is None or self.host is None:
            return ""
        local = self.mailbox
        if not _dot_atom(local):
            local = b'"%b"' % local.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return decode_unlabelled(local + b"@" + self.host)


GROUP_END = EnvelopeAddress(None, None, None, None)

_dot_atom = re.compile(rb"[^\x00-\x20\"\\<>()@,;:\[\].\x7f]++(?:\.[^\x00-\x20\"\\<>()@,;:\[\].\x7f]++)*+").fullmatch

# Nearly all addresses are `Name <local@domain>,` or `"Name" <local@domain>,`; the possessive quantifiers keep each try
# linear. Whatever does not match goes through the tokens below.
_usual = re.compile(
    rb'(?:"([^"\\]*+)"[ \t]*+<|([^"\\<>()@,;:\[\]]*+)<)'
    rb"([^\x00-\x20\"\\<>()@,;:\[\]\x7f]++)@([^\x00-\x20\"\\<>()@,;:\[\]\x7f]++)>[ \t]*+(?:,[ \t]*+|\Z)"
).match
_bare = re.compile(
    rb"([^\x00-\x20\"\\<>()@,;:\[\]\x7f]++)@([^\x00-\x20\"\\<>()@,;:\[\]\x7f]++)[ \t]*+(?:,[ \t]*+|\Z)"
).match


def parse_addresses(value: bytes, *, most: int = limits.ADDRESSES) -> list[EnvelopeAddress]:
    """The addresses of one unfolded header value, at most ``most`` entries (marks of groups count)."""
    return read_addresses(value, most=most)[0]


def read_addresses(value: bytes, *, most: int = limits.ADDRESSES) -> tuple[list[EnvelopeAddress], bool]:
    """As ``parse_addresses``; and whether nothing in ``value`` was passed over.

    Where something was (a limit, an open comment or bracket, words behind an address, another address unquoted before
    one), another reader may see another address than we do.
    """
    found: list[EnvelopeAddress] = []
    whole = True
    value = value.strip()
    at, end = 0, len(value)
    while at < end and len(found) < most:
        match = _usual(value, at)
        if match is not None:
            quoted, phrase, mailbox, host = match.groups()
            name = quoted if quoted is not None else phrase.strip()
            found.append(EnvelopeAddress(name or None, None, mailbox, host))
        else:
            match = _bare(value, at)
            if match is None:
                reader = _AddressReader(value, at, most - len(found), found)
                reader.read()
                return found, reader.whole
            found.append(EnvelopeAddress(None, None, match[1], match[2]))
        at = match.end()
        whole = at >= end
    return found, whole


class _Kind(Enum):
    SPECIAL = auto()
    ATOM = auto()
    QUOTED = auto()
    SPACE = auto()
    COMMENT = auto()


_token = re.compile(
    rb'(?P<atom>[^\x00-\x20"\\<>()@,;:\[\]\x7f]++)|(?P<space>[\x00-\x20\x7f]++)|(?P<special>[<>@,;:])'
    rb'|"(?P<quoted>(?:[^"\\]++|\\.)*+)(?:"|\\?\Z)|(?P<literal>\[[^\[\]]*+\]?)|(?P<comment>\()|(?P<stray>.)',
    re.DOTALL,
).match

_quoted_pairs = re.compile(rb"\\(.)", re.DOTALL).sub
_comment_marks = re.compile(rb"\\.|[()]", re.DOTALL).finditer


def _unquote(text: bytes) -> bytes:
    """quoted-pair removed (RFC 5322 §3.2.1), from no more than can be shown."""
    text = text[: 2 * limits.STRING_OCTETS]
    return _quoted_pairs(rb"\1", text) if b"\\" in text else text


def comment_end(value: bytes, at: int) -> int:
    """Index behind the comment (RFC 5322 §3.2.2) that begins at ``at``; -1 when it never ends or nests too deeply."""
    depth = 0
    for match in _comment_marks(value, at):
        if match[0] == b"(":
            depth += 1
            if depth > limits.COMMENT_DEPTH:
                return -1
        elif match[0] == b")":
            depth -= 1
            if not depth:
                return match.end()
    return -1


_Token = tuple[_Kind, bytes]


class _AddressReader:
    """Reads the rest of a list token by token; the tokens of one address at a time are kept."""

    def __init__(self, value: bytes, at: int, room: int, found: list[EnvelopeAddress]) -> None:
        self._value = value
        self._at = at
        self._room = len(found) + room
        self._found = found
        self._words: list[_Token] = []
        self._angle: list[_Token] | None = None
        """Tokens between < and >, None before <."""
        self._in_angle = False
        self._in_group = False
        self.whole = True
        """Nothing was passed over."""

    def read(self) -> None:
        for _ in range(limits.ADDRESS_TOKENS):
            token = self._next_token()
            if token is None or len(self._found) >= self._room:
                self.whole &= token is None
                break
            self._take(token)
        else:
            self.whole = False
        if len(self._found) < self._room:
            self._finish_address()
        if self._in_group:
            if len(self._found) >= self._room:
                self._found.pop()
            self._found.append(GROUP_END)

    def _next_token(self) -> _Token | None:
        match = _token(self._value, self._at)
        if match is None:
            return None
        self._at = match.end()
        kind, text = match.lastgroup, match[0]
        if kind == "atom" or kind == "literal" or kind == "stray":
            return _Kind.ATOM, text
        if kind == "space":
            return _Kind.SPACE, b" "
        if kind == "special":
            return _Kind.SPECIAL, text
        if kind == "quoted":
            return _Kind.QUOTED, _unquote(match["quoted"])
        end = comment_end(self._value, match.start())
        self.whole &= end >= 0
        self._at = end if end >= 0 else len(self._value)
        return _Kind.COMMENT, _unquote(self._value[match.end() : self._at - 1 if end >= 0 else self._at])

    def _take(self, token: _Token) -> None:
        kind, text = token
        if self._in_angle:
            self._take_in_angle(token)
        elif kind is not _Kind.SPECIAL or text == b"@":
            self.whole &= self._angle is None or kind in (_Kind.SPACE, _Kind.COMMENT)
            self._words.append(token)
        elif text == b"<":
            self.whole &= self._angle is None
            if self._angle is None:
                self._angle = []
                self._in_angle = True
        elif text == b",":
            self._finish_address()
        elif text == b";":
            self._finish_address()
            if self._in_group:
                self._found.append(GROUP_END)
                self._in_group = False
        elif text == b":" and not self._in_group and self._angle is None:
            name = _phrase(self._words)
            self._words = []
            self._in_group = True
            self._found.append(EnvelopeAddress(None, None, name, None))
        else:
            self.whole = False

    def _take_in_angle(self, token: _Token) -> None:
        kind, text = token
        angle = self._angle
        assert angle is not None
        if kind is _Kind.SPECIAL and text == b">":
            self._in_angle = False
        elif kind is _Kind.SPECIAL and text in b",;" and not (angle and angle[0] == (_Kind.SPECIAL, b"@")):
            # A forgotten ">" must not swallow the rest of the list; a comma is only good in a route.
            self.whole = self._in_angle = False
            self._take(token)
        elif kind is not _Kind.SPACE or angle:
            angle.append(token)

    def _finish_address(self) -> None:
        self.whole &= not self._in_angle
        words, angle = self._words, self._angle
        self._words, self._angle, self._in_angle = [], None, False
        if angle is not None:
            route, spec = _split_route(angle)
            mailbox, host = _split_spec(spec)
            if (_Kind.SPECIAL, b"@") in words:
                # Some readers take the first address they see; many programs write the same one twice.
                self.whole &= _joined(words).lower() == _joined(spec).lower()
            name = _phrase(words) or _comments(words) or _comments(angle)
            if name or mailbox or host:
                self._found.append(EnvelopeAddress(name or None, route, mailbox, host))
            return
        mailbox, host = _split_spec(words)
        if mailbox or host:
            self._found.append(EnvelopeAddress(_comments(words) or None, None, mailbox, host))


def _phrase(tokens: list[_Token]) -> bytes:
    """Words joined as they stood, each run of white space and comments one space."""
    text = b"".join(b" " if kind is _Kind.COMMENT else text for kind, text in tokens)
    return b" ".join(text.split()) if any(kind is not _Kind.QUOTED for kind, _ in tokens) else text


def _comments(tokens: list[_Token]) -> bytes:
    """``ann@example.org (Ann)`` is how names were written before RFC 822; it is still met."""
    return b" ".join(text.strip() for kind, text in tokens if kind is _Kind.COMMENT)


def _split_route(tokens: list[_Token]) -> tuple[bytes | None, list[_Token]]:
    """obs-route = "@" domain *("," "@" domain) ":" (RFC 5322 §4.4)."""
    if tokens and tokens[0] == (_Kind.SPECIAL, b"@"):
        for index, token in enumerate(tokens):
            if token == (_Kind.SPECIAL, b":"):
                return _joined(tokens[:index]), tokens[index + 1 :]
    return None, tokens


def _split_spec(tokens: list[_Token]) -> tuple[bytes, bytes]:
    """local-part and domain; the domain is empty where there is no @: NIL would mean a group (RFC 9051 §7.5.2)."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index] == (_Kind.SPECIAL, b"@"):
            return _joined(tokens[:index]), _joined(tokens[index + 1 :])
    return _phrase(tokens), b""


def _joined(tokens: list[_Token]) -> bytes:
    return b"".join(text for kind, text in tokens if kind is not _Kind.SPACE and kind is not _Kind.COMMENT)
