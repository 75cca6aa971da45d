"""Strings as ENVELOPE and BODYSTRUCTURE hold them: quoted where possible, literals where octets above 127 ask for it.

Owns only what those two structures need; what IMAP answers otherwise is ``wire/imap/responses``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from xtramail.wire.mime import limits

# RFC 9051 §9: QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials ...
_plain = re.compile(rb"[\t !#-\[\]-~]*").fullmatch
# CHAR8 = %x01-ff: NUL can be sent in no form. CR and LF would be legal in a literal, but no header value has them.
_BREAKS_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


def string(value: bytes) -> bytes:
    """``value`` as an IMAP string, cut to ``limits.STRING_OCTETS``; NUL is dropped, CR and LF become spaces."""
    if len(value) > limits.STRING_OCTETS:
        value = value[: limits.STRING_OCTETS]
    if _plain(value):
        return b'"%b"' % value
    value = value.translate(_BREAKS_TO_SPACES, b"\0")
    if value.isascii():
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """``string``, or ``NIL`` for None."""
    return b"NIL" if value is None else string(value)


def parameter_list(parameters: Iterable[tuple[bytes, bytes]]) -> bytes:
    """``body-fld-param``: ``("name" "value" ...)`` or ``NIL`` (RFC 9051 §9)."""
    pairs = [b"%b %b" % (string(name), string(value)) for name, value in parameters]
    return b"(%b)" % b" ".join(pairs) if pairs else b"NIL"


def language_list(languages: Sequence[bytes]) -> bytes:
    """``body-fld-lang``: ``NIL`` or a list of strings (RFC 9051 §9)."""
    return b"(%b)" % b" ".join(map(string, languages)) if languages else b"NIL"
