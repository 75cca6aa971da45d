from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.imap.utf7 import decode_mailbox, encode_mailbox


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("INBOX", b"INBOX"),
        ("a&b", b"a&-b"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", b"&2D3eAA-"),
        ("&", b"&-"),
        ("", b""),
    ],
)
def test_text_and_modified_utf7_name_the_same_mailbox(text: str, octets: bytes) -> None:
    assert encode_mailbox(text) == octets
    assert decode_mailbox(octets) == text


@pytest.mark.parametrize(
    "octets",
    [
        b"&",
        b"a&b",
        b"&APw",
        b"&AGE-",  # "a" has a plain form
        b"&AOQ-&APY-",  # two shifts where one holds both
        b"&APx-",  # stray bits behind the last character
        b"&A-",
        b"&2D0-",  # half a surrogate pair
        b"Entw\xc3\xbcrfe",
        b"&AP/-",
        b"a\x07",
        b"&U.BTFw-",
    ],
)
def test_a_name_has_one_spelling_only(octets: bytes) -> None:
    with pytest.raises(ValueError):
        decode_mailbox(octets)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"))))
def test_every_text_comes_back(text: str) -> None:
    octets = encode_mailbox(text)
    assert octets.isascii()
    assert decode_mailbox(octets) == text


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=40) | st.text(alphabet="&-AZaz09+,/", max_size=30).map(str.encode))
def test_whatever_decodes_encodes_to_the_same_octets(octets: bytes) -> None:
    try:
        text = decode_mailbox(octets)
    except ValueError:
        return
    assert encode_mailbox(text) == octets
