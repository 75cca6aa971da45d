"""Values with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1, RFC 2183) and RFC 2231 on top.

Owns splitting them, joining continuations, and decoding one parameter for people. Lenient as senders are careless: an
unquoted value runs to the semicolon.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from xtramail.wire.mime import limits
from xtramail.wire.mime.address_list import comment_end
from xtramail.wire.mime.charset import decode, decode_unlabelled
from xtramail.wire.mime.words import decode_value

Parameters = list[tuple[bytes, bytes]]
"""Lower-case name and raw value, in order."""

# RFC 2045 §5.1: content := "Content-Type" ":" type "/" subtype *(";" parameter); token without tspecials.
_type = re.compile(
    rb"[ \t]*+([!#-'*+\-.0-9A-Z^_`a-z{|}~]{1,%d})[ \t]*+/[ \t]*+([!#-'*+\-.0-9A-Z^_`a-z{|}~]{1,%d})[ \t]*+(?:;|\Z)"
    % (limits.TOKEN_OCTETS, limits.TOKEN_OCTETS)
).match
_token = re.compile(
    rb"[ \t]*+([!#-'*+\-.0-9A-Z^_`a-z{|}~]{1,%d})[ \t]*+(?:;|\Z)" % limits.TOKEN_OCTETS
).match
# parameter := attribute "=" value; value := token / quoted-string.
_parameter = re.compile(
    rb'[ \t;]*+([^\x00-\x20=;"]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]++|\\.)*+)"?[^;]*+|([^;]*+))(?:;|\Z)', re.DOTALL
).match
_skip = re.compile(rb'[ \t;]*+(?:[^;"]++|"[^"]*+"?)*+(?:;|\Z)').match
_quoted_or_comment = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|\(', re.DOTALL).search
_quoted_pairs = re.compile(rb"\\(.)", re.DOTALL).sub
# RFC 2231 §3, §4: name*0, name*0*, name*.
_section = re.compile(rb"([^*]++)\*([0-9]{1,3})(\*?)").fullmatch


def parse_content_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """Lower-case type and subtype with the parameters; None when it is none (RFC 2045 §5.2: then text/plain)."""
    if b"(" in value:
        value = without_comments(value)
    match = _type(value)
    if match is None:
        return None
    end = match.end()
    return match[1].lower(), match[2].lower(), parse_parameters(value, end) if end < len(value) else []


def parse_disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """Lower-case disposition type with its parameters (RFC 2183 §2); None when there is none."""
    if b"(" in value:
        value = without_comments(value)
    match = _token(value)
    if match is None:
        return None
    return match[1].lower(), parse_parameters(value, match.end())


def parse_token(value: bytes) -> bytes:
    """A lower-case token such as Content-Transfer-Encoding's; empty when it is none."""
    if len(value) <= limits.TOKEN_OCTETS and value.isalnum():
        return value.lower()
    match = _token(without_comments(value) if b"(" in value else value)
    return match[1].lower() if match is not None else b""


def parse_parameters(value: bytes, at: int) -> Parameters:
    """Parameters from octet ``at`` on, at most ``limits.PARAMETERS``; continuations joined (RFC 2231 §3)."""
    found: Parameters = []
    end = len(value)
    starred = False
    while at < end and len(found) < limits.PARAMETERS:
        match = _parameter(value, at)
        if match is None:
            match = _skip(value, at)
            if match is None:
                break
            at = match.end()
            continue
        name, quoted, plain = match.groups()
        if quoted is None:
            text = plain.rstrip()
        else:
            text = _unquote(quoted) if b"\\" in quoted else quoted
        starred = starred or b"*" in name
        found.append((name.lower(), text))
        at = match.end()
    return _join_continuations(found) if starred else found


def _unquote(text: bytes) -> bytes:
    """quoted-pair removed (RFC 2045 §5.1, RFC 822 §3.3), from no more than can be shown."""
    return _quoted_pairs(rb"\1", text[: 2 * limits.STRING_OCTETS])


def _join_continuations(parameters: Parameters) -> Parameters:
    """``name*0=a; name*1=b`` becomes ``name=ab``; if any section is extended, one extended ``name*`` comes out."""
    sections: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    joined: list[tuple[bytes, bytes | None]] = []
    for name, value in parameters:
        match = _section(name)
        if match is None:
            joined.append((name, value))
            continue
        base = match[1]
        if base not in sections:
            sections[base] = {}
            joined.append((base, None))
        sections[base].setdefault(int(match[2]), (bool(match[3]), value))
    result: Parameters = []
    for name, present in joined:
        if present is not None:
            result.append((name, present))
            continue
        pieces: list[tuple[bool, bytes]] = []
        while (piece := sections[name].get(len(pieces))) is not None:
            pieces.append(piece)
        if any(extended for extended, _ in pieces):
            text = b"".join(v if extended else quote_from_bytes(v, safe="").encode() for extended, v in pieces)
            result.append((name + b"*", text if pieces[0][0] else b"''" + text))
        elif pieces:
            result.append((name, b"".join(value for _, value in pieces)))
    return result


def raw_parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The first parameter of that name in octets, an extended one decoded from its percent signs; None if missing."""
    extended = name + b"*"
    for key, value in parameters:
        if key == name:
            return value
        if key == extended:
            return unquote_to_bytes(value[: limits.STRING_OCTETS].split(b"'", 2)[-1])
    return None


def text_parameter(parameters: Parameters, name: bytes) -> str:
    """The parameter for people: RFC 2231 before RFC 2047 (forbidden in parameters, everywhere sent), else raw UTF-8."""
    plain = ""
    extended = name + b"*"
    for key, value in parameters:
        if key == extended:
            charset, _, encoded = value[: limits.STRING_OCTETS].partition(b"'")
            octets = unquote_to_bytes(encoded.partition(b"'")[2])
            return decode(octets, charset.decode("latin-1")) if charset else decode_unlabelled(octets)
        if key == name and not plain:
            plain = decode_value(value[: limits.STRING_OCTETS])
    return plain


def without_comments(value: bytes) -> bytes:
    """``value`` with each comment outside quoted strings made one space; an endless one takes the rest with it."""
    kept: list[bytes] = []
    at = start = 0
    while (match := _quoted_or_comment(value, at)) is not None:
        at = match.end()
        if match[0] == b"(":
            kept.append(value[start : match.start()])
            start = at = comment_end(value, match.start())
            if at < 0:
                return b" ".join(kept)
    kept.append(value[start:])
    return b" ".join(kept)
