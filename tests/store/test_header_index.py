"""Indexed headers: they come back whole, and picking by the index says what looking through the header says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus import messages
from xtramail.model.errors import Corrupt
from xtramail.store import bodies
from xtramail.store.header_index import INDEXED, header_of, indexed, picker
from xtramail.wire.mime.header import header_end, select_fields

NAMES = (b"From", b"SUBJECT", b"subject", b"Received", b"X-Priority", b"Unusual-One", b"From ann Thu 10", b" Date", b"")
LISTS = (
    frozenset({b"from", b"subject"}),
    frozenset({b"received", b"x-priority", b"date"}),
    frozenset({b"to"}),
)

fields = st.builds(
    lambda name, blank, colon, value, more: name + blank + colon + value + b"".join(more) + b"\r\n",
    st.sampled_from(NAMES),
    st.sampled_from((b"", b" ", b"\t ")),
    st.sampled_from((b":", b": ", b"")),
    st.sampled_from((b"", b"a value", b"From: not a field", b"\xff\0", b"\r")),
    st.lists(st.sampled_from((b"\r\n folded", b"\r\n\tTo: folded", b"\r\n ")), max_size=2),
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(fields, max_size=8), st.sampled_from((b"\r\n", b"", b"\n", b"\r\n\r\n")))
def test_what_the_index_picks_is_what_is_found_by_looking(lines: list[bytes], end: bytes) -> None:
    header = b"".join(lines) + end
    chunk = indexed(header)
    if chunk is None:
        return
    assert header_of(chunk + b"seal", len(chunk)) == header
    for names in LISTS:
        found = picker(names)
        assert found is not None
        assert found.pick(chunk + b"seal") == select_fields(header, names, exclude=False)


def test_the_headers_of_ordinary_mail_are_indexed() -> None:
    for message in messages(40, seed=3):
        header = message[: header_end(message)]
        chunk = indexed(header)
        assert chunk is not None and chunk.startswith(INDEXED)
        assert bodies.decode_chunk(chunk) == header


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\r\n",
        b"From: ann\r\n",
        b"From: ann\nTo: bob\n\n",
        b"From: ann\r\nTo: bob\n\r\n",
        b"From: ann\r\n\r\nTo: bob\r\n\r\n",
        b"X: " + b"x" * 9000 + b"\r\n\r\n",
        b"X: y\r\n" * 251 + b"\r\n",
    ],
)
def test_a_doubtful_or_long_header_is_not_indexed(header: bytes) -> None:
    assert indexed(header) is None


def test_a_name_the_index_does_not_know_has_no_picker() -> None:
    assert picker(frozenset({b"from", b"x-of-nobody-else"})) is None


def test_shapes_without_end_are_not_remembered_without_end() -> None:
    found = picker(frozenset({b"from", b"list-id"}))
    assert found is not None
    names = (b"From", b"To", b"Cc", b"Date", b"List-Id", b"X")
    for number in range(6**5):
        picked = [names[number // 6**place % 6] for place in range(5)]
        header = b"".join(name + b": 1\r\n" for name in picked) + b"\r\n"
        chunk = indexed(header)
        assert chunk is not None
        kept = sum(name in (b"From", b"List-Id") for name in picked)
        assert found.pick(chunk).count(b": 1") == kept
    assert len(found._runs) <= 2_000


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_cut_index_is_corrupt(cut: int) -> None:
    chunk = indexed(b"From: ann\r\nTo: bob\r\n\r\n")
    assert chunk is not None
    with pytest.raises(Corrupt):
        bodies.decode_chunk(chunk[:cut])
