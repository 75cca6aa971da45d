from __future__ import annotations

import pytest

from xtramail.model.flags import Flag
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.flag_parser import parse_flags
from xtramail.wire.imap.lexer import Cursor


@pytest.mark.parametrize(
    ("text", "flags", "keywords"),
    [
        (b"()", Flag(0), ()),
        (b"(\\Seen)", Flag.SEEN, ()),
        (b"\\seen \\DELETED", Flag.SEEN | Flag.DELETED, ()),
        (b"(\\Seen $Forwarded NonJunk)", Flag.SEEN, ("$Forwarded", "NonJunk")),
        (b"(foo FOO Foo)", Flag(0), ("foo",)),
        (b"(\\Recent \\Draft)", Flag.DRAFT, ()),
    ],
)
def test_flags_and_keywords_are_told_apart(text: bytes, flags: Flag, keywords: tuple[str, ...]) -> None:
    assert parse_flags(Cursor(text)) == (flags, keywords)


@pytest.mark.parametrize(
    "text", [b"", b"(\\Nonsense)", b"(\\Seen", b"\\", b"( \\Seen)", b'("x")', b"(\\*)", b"(\xc3\xbc)"]
)
def test_what_is_no_flag_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_flags(Cursor(text))


def test_keywords_are_bounded_in_number_and_length() -> None:
    many = b"(" + b" ".join(b"k%d" % number for number in range(65)) + b")"
    for text in (many, b"k" * 129):
        with pytest.raises(Declined) as declined:
            parse_flags(Cursor(text))
        assert declined.value.code == b"LIMIT"
