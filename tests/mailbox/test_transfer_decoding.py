"""Transfer encodings taken off in pieces: whatever the cut, the octets are the same."""

from __future__ import annotations

import binascii
from base64 import encodebytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.mailbox.transfer_decoding import decoder_of

cuts = st.lists(st.integers(1, 40), max_size=40)


def decoded(encoding: str, octets: bytes, sizes: list[int]) -> bytes:
    decoder = decoder_of(encoding)
    assert decoder is not None
    pieces = []
    for size in sizes:
        pieces.append(decoder.feed(octets[:size]))
        octets = octets[size:]
    pieces += [decoder.feed(octets), decoder.finish()]
    return b"".join(pieces)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=300), cuts)
def test_base64_comes_back_whole(octets: bytes, sizes: list[int]) -> None:
    encoded = encodebytes(octets).replace(b"\n", b"\r\n")
    assert decoded("base64", encoded, sizes) == octets


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(alphabet="abc =é\t.", max_size=300).map(str.encode), cuts)
def test_quoted_printable_comes_back_whole(octets: bytes, sizes: list[int]) -> None:
    encoded = binascii.b2a_qp(octets, istext=False).replace(b"=\n", b"=\r\n")
    assert decoded("quoted-printable", encoded, sizes) == octets


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=200), cuts, st.sampled_from(["base64", "quoted-printable", "7bit", "8bit", "binary", ""]))
def test_junk_never_raises_and_never_depends_on_the_cut_of_identity(
    octets: bytes, sizes: list[int], encoding: str
) -> None:
    out = decoded(encoding, octets, sizes)
    if encoding not in ("base64", "quoted-printable"):
        assert out == octets


@pytest.mark.parametrize(
    ("encoded", "octets"),
    [
        (b"YWJj", b"abc"),
        (b"YWI=", b"ab"),
        (b"YQ==YmM=", b"abc"),
        (b"YWJjZ", b"abc"),
        (b"Y W-J*j\r\n", b"abc"),
        (b"", b""),
    ],
)
def test_base64_gives_what_can_be_had(encoded: bytes, octets: bytes) -> None:
    assert decoded("base64", encoded, [1] * 20) == octets


def test_lines_keep_their_ends() -> None:
    assert decoded("quoted-printable", b"a=20b=\r\nc\r\nd=3D", [3] * 10) == b"a bc\r\nd="


def test_an_encoding_that_is_not_known_is_told_so() -> None:
    assert decoder_of("x-uuencode") is None


@settings(derandomize=True, deadline=None, max_examples=100)
@given(cuts)
def test_white_space_at_line_ends_was_added_on_the_way(sizes: list[int]) -> None:
    encoded = b"hello  \r\nbar=\r\n\r\nfoo\t=\r\nbar\r\nfoo\t \t= \r\n=62\r\nfoo = \t\r\nbar\n\t\nx \t"
    assert decoded("quoted-printable", encoded, sizes) == b"hello\r\nbar\r\nfoo\tbar\r\nfoo\t \tb\r\nfoo bar\n\nx"


def test_an_endless_line_is_decoded_as_it_comes() -> None:
    decoder = decoder_of("quoted-printable")
    assert decoder is not None
    out = [decoder.feed(b"=41" * 1_000 + b"=4"), decoder.feed(b"2" + b" " * 2_000), decoder.feed(b"=43" * 400)]
    assert len(out[1]) > 1_000
    assert b"".join(out) + decoder.finish() == b"A" * 1_000 + b"B" + b" " * 2_000 + b"C" * 400
