from __future__ import annotations

import base64
import hashlib

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.dkim.canonical import BodyHash, relaxed_field

# RFC 6376 §3.4.5
EXAMPLE_BODY = b" C \r\nD \t E\r\n\r\n\r\n"

WORDS = st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"word", b"  ", b"\r\n\r\n", b" \r\n", b"."])
BODIES = st.lists(WORDS, max_size=24).map(b"".join)


def digest(*pieces: bytes) -> bytes:
    body = BodyHash()
    for piece in pieces:
        body.write(piece)
    return body.digest()


def text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def test_the_body_of_the_rfc_is_made_relaxed() -> None:
    assert digest(EXAMPLE_BODY) == hashlib.sha256(b" C\r\nD E\r\n").digest()


@pytest.mark.parametrize(
    ("name", "value", "relaxed"),
    [(b"A", b" X\r\n", b"a:X"), (b"B ", b" Y\t\r\n\tZ  \r\n", b"b:Y Z")],
)
def test_the_fields_of_the_rfc_are_made_relaxed(name: bytes, value: bytes, relaxed: bytes) -> None:
    assert relaxed_field(name, value) == relaxed


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n\t\r\n"])
def test_a_body_of_empty_lines_is_nothing(body: bytes) -> None:
    # RFC 6376 §3.4.4 gives the hash of nothing.
    assert text(digest(body)) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def test_a_last_line_without_its_end_gets_one() -> None:
    assert digest(b"Hello") == digest(b"Hello\r\n") == digest(b"Hello \r\n\r\n")


@given(BODIES)
@settings(derandomize=True, deadline=None, max_examples=500)
def test_it_is_what_another_implementation_makes_of_it(body: bytes) -> None:
    # On the wire the last line has an end, in any case.
    sent = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
    assert digest(body) == hashlib.sha256(Relaxed.canonicalize_body(sent)).digest()


@given(BODIES, st.lists(st.integers(1, 6), min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_it_does_not_matter_where_a_body_is_cut(body: bytes, steps: list[int]) -> None:
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        step = steps[len(pieces) % len(steps)]
        pieces.append(body[at : at + step])
        at += step
    assert digest(*pieces) == digest(body)


def test_millions_of_empty_lines_are_kept_as_a_number() -> None:
    body = BodyHash()
    for _ in range(100):
        body.write(b"\r\n" * 30_000)
    body.write(b"end\r\n")
    assert body.digest() == hashlib.sha256(b"\r\n" * 3_000_000 + b"end\r\n").digest()
