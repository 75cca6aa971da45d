"""Parameters as RFC 2045 and RFC 2231 have them, and as careless senders write them."""

from __future__ import annotations

import email
import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.mime import limits
from xtramail.wire.mime.parameters import (
    parse_content_type,
    parse_disposition,
    parse_token,
    raw_parameter,
    text_parameter,
    without_comments,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", (b"text", b"plain", [])),
        (b"TEXT/Plain; Charset=US-ASCII", (b"text", b"plain", [(b"charset", b"US-ASCII")])),
        (b'text/plain; charset="utf-8"; a=b', (b"text", b"plain", [(b"charset", b"utf-8"), (b"a", b"b")])),
        (b"text/plain; charset=us-ascii (Plain text)", (b"text", b"plain", [(b"charset", b"us-ascii")])),
        (b"text (hm) / (so) plain", (b"text", b"plain", [])),
        (b'a/b; x="a;b\\"c"; y=1', (b"a", b"b", [(b"x", b'a;b"c'), (b"y", b"1")])),
        (b'a/b; x="(no comment)"', (b"a", b"b", [(b"x", b"(no comment)")])),
        (b"a/pdf; name=My Report.pdf; x=1", (b"a", b"pdf", [(b"name", b"My Report.pdf"), (b"x", b"1")])),
        (b"a/b;;; ;x;y=1;", (b"a", b"b", [(b"y", b"1")])),
        (b'a/b; x="open', (b"a", b"b", [(b"x", b"open")])),
        (b"a/b; x=", (b"a", b"b", [(b"x", b"")])),
        (b"a/b; x*0=one; x*1=two", (b"a", b"b", [(b"x", b"onetwo")])),
        (b"a/b; x*1=two; x*0=one; y=z", (b"a", b"b", [(b"x", b"onetwo"), (b"y", b"z")])),
        (b"a/b; x*0=one; x*2=three", (b"a", b"b", [(b"x", b"one")])),
        # RFC 2231 §4.1
        (b"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
         b" title*2=\"isn't it!\"",
         (b"application", b"x-stuff",
          [(b"title*", b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it%21")])),
        (b"text", None), (b"", None), (b"/", None), (b"text/", None), (b"text/plain/x", None), (b"a b/c", None),
        (b"a" * 300 + b"/b", None),
    ],
)  # fmt: skip
def test_content_type(value: bytes, expected: object) -> None:
    assert parse_content_type(value) == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b'attachment; filename="a b.txt"', "a b.txt"),
        (b"attachment; filename*=utf-8''%C3%9Cber%20sicht.txt", "Über sicht.txt"),
        (b"attachment; filename*=iso-8859-1'en'%A3%20rates", "£ rates"),
        (b"attachment; filename*0*=utf-8''%C3; filename*1*=%A9.txt", "é.txt"),
        (b'attachment; filename*0*=utf-8\'\'a%20; filename*1="b.txt"', "a b.txt"),
        (b'attachment; filename="=?utf-8?q?=C3=A9.txt?="', "é.txt"),
        ('attachment; filename="é.txt"'.encode(), "é.txt"),
        (b'attachment; filename="plain.txt"; filename*=utf-8\'\'bett%C3%A9r.txt', "bettér.txt"),
        (b"attachment", ""),
        (b"attachment; filename*=nonsense", ""),
    ],
)
def test_file_name(value: bytes, name: str) -> None:
    disposition = parse_disposition(value)
    assert disposition is not None and disposition[0] == b"attachment"
    assert text_parameter(disposition[1], b"filename") == name


def test_a_boundary_may_be_continued_or_extended() -> None:
    for value in (b"a/b; boundary*0=on; boundary*1=e", b"a/b; boundary*=us-ascii''on%65", b'a/b; boundary="one"'):
        content = parse_content_type(value)
        assert content is not None and raw_parameter(content[2], b"boundary") == b"one"


def test_tokens_lose_comments_and_case() -> None:
    assert parse_token(b"BASE64") == b"base64"
    assert parse_token(b" Quoted-Printable (really)") == b"quoted-printable"
    assert parse_token(b"x" * 5000) == b""
    assert parse_token(b"8 bit") == b""


def test_parameters_end_at_the_limit() -> None:
    content = parse_content_type(b"a/b" + b"".join(b";p%d=1" % n for n in range(500)))
    assert content is not None and len(content[2]) == limits.PARAMETERS


def test_comments_go_and_quoted_strings_stay() -> None:
    assert without_comments(b'a (b (c) "d) e "(f)" (g') == b'a   e "(f)" '
    assert without_comments(b'a(it"s)b"c(d"e') == b'a b"c(d"e'


TOKENS = st.text("abcXYZ019-_.", min_size=1, max_size=8)
VALUES = st.text(st.sampled_from('ab 9;=()<>@,"\\/[]?.'), max_size=12)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.dictionaries(TOKENS.map(str.lower), VALUES, max_size=4))
def test_quoted_parameters_are_read_as_written(parameters: dict[str, str]) -> None:
    text = "text/plain" + "".join(f'; {name}="{email.utils.quote(value)}"' for name, value in parameters.items())
    content = parse_content_type(text.encode())
    assert content is not None
    assert content[2] == [(name.encode(), value.encode()) for name, value in parameters.items()]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=30))
def test_extended_file_names_are_read_as_the_standard_library_writes_them(name: str) -> None:
    message = email.message.Message()
    message.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    disposition = parse_disposition(message["Content-Disposition"].encode())
    assert disposition is not None and text_parameter(disposition[1], b"filename") == name
