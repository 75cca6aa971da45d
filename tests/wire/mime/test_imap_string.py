"""Whatever octets a header has, the string that carries them is an IMAP string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.mime.imap_reader import read_imap
from xtramail.wire.mime import limits
from xtramail.wire.mime.imap_string import language_list, nstring, parameter_list, string


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        (b"", b'""'),
        (b"plain", b'"plain"'),
        (b'say "hi" \\o/', b'"say \\"hi\\" \\\\o/"'),
        (b"tab\there", b'"tab\there"'),
        ("é".encode(), b"{2}\r\n\xc3\xa9"),
        (b"a\r\nb\0c", b'"a  bc"'),
        (b"bell\x07", b'"bell\x07"'),
    ],
)
def test_string(value: bytes, rendered: bytes) -> None:
    assert string(value) == rendered


def test_nothing_is_nil_and_lists_are_never_empty() -> None:
    assert nstring(None) == b"NIL"
    assert nstring(b"") == b'""'
    assert parameter_list([]) == b"NIL"
    assert parameter_list([(b"a", b"b"), (b"c", b"")]) == b'("a" "b" "c" "")'
    assert language_list([]) == b"NIL"
    assert language_list([b"en", b"de"]) == b'("en" "de")'


def test_long_strings_are_cut() -> None:
    assert read_imap(string(b"x" * 100_000)) == b"x" * limits.STRING_OCTETS


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=50))
def test_any_octets_are_read_back(value: bytes) -> None:
    expected = value.replace(b"\0", b"").replace(b"\r", b" ").replace(b"\n", b" ")
    assert read_imap(string(value)) == expected
