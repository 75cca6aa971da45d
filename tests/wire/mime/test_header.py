"""Header fields are found where they are and given back octet for octet."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import corpus
from xtramail.wire.mime import limits
from xtramail.wire.mime.header import fields, header_end, select_fields, unfold, values

HEADER = (
    b"Received: from a\r\n\tby b;\r\n Thu\r\nFrom: ann@example.org\r\nSubject : spaced\r\nX-Empty:\r\n"
    b"From the mailbox at 10:00\r\nno colon\r\nSUBJECT: again\r\n\r\n"
)


def test_fields_lie_side_by_side_and_lines_that_are_none_have_no_name() -> None:
    found = list(fields(HEADER))
    assert [field.name for field in found] == [b"received", b"from", b"subject", b"x-empty", b"", b"", b"subject"]
    assert b"".join(HEADER[field.start : field.end] for field in found) + b"\r\n" == HEADER
    assert HEADER[found[2].value_at : found[2].end] == b" spaced\r\n"


def test_selected_fields_are_exact_and_closed_by_an_empty_line() -> None:
    selected = select_fields(HEADER, [b"SUBJECT", b"received"], exclude=False)
    assert selected == (
        b"Received: from a\r\n\tby b;\r\n Thu\r\nSubject : spaced\r\nSUBJECT: again\r\n\r\n"
    )


def test_fields_not_named_are_all_the_rest() -> None:
    selected = select_fields(HEADER, [b"received", b"From", b"subject"], exclude=True)
    assert selected == b"X-Empty:\r\nFrom the mailbox at 10:00\r\nno colon\r\n\r\n"


def test_no_match_is_the_empty_line_alone() -> None:
    assert select_fields(HEADER, [b"x-none"], exclude=False) == b"\r\n"
    assert select_fields(b"", [b"x-none"], exclude=True) == b"\r\n"
    assert select_fields(b"\r\n", [], exclude=True) == b"\r\n"


def test_a_header_without_line_end_is_completed() -> None:
    assert select_fields(b"Subject: x", [b"subject"], exclude=False) == b"Subject: x\r\n\r\n"


def test_a_bomb_is_selected_from_its_beginning_only_and_excluded_in_full() -> None:
    bomb = b"A: 1\r\n" * limits.FIELDS + b"B: 2\r\n\r\n"
    assert select_fields(bomb, [b"b"], exclude=False) == b"\r\n"
    assert select_fields(bomb, [b"a"], exclude=True) == b"B: 2\r\n\r\n"


def test_selecting_all_or_excluding_none_gives_the_header_back() -> None:
    for message in corpus.messages(30, seed=3):
        header = message[: header_end(message)]
        assert select_fields(header, [], exclude=True) == header
        assert select_fields(header, {field.name for field in fields(header)}, exclude=False) == header


def test_field_names_are_those_of_the_standard_library() -> None:
    for message in corpus.messages(30, seed=4):
        expected = [name.lower().encode() for name in email.message_from_bytes(message)]
        assert [field.name for field in fields(message[: header_end(message)])] == expected


def test_unfolded_values_are_those_of_the_standard_library() -> None:
    for message in corpus.messages(30, seed=5):
        header = message[: header_end(message)]
        parsed = email.message_from_bytes(header)
        for name, found in values(unfold(header), frozenset(n.lower().encode() for n in parsed)).items():
            expected = [v.replace("\r\n", "").strip().encode() for v in parsed.get_all(name.decode(), [])]
            assert found == expected


def test_unfolding_removes_the_line_end_and_keeps_the_space() -> None:
    assert unfold(b"A: b\r\n  c\r\n\td\r\nE: f\r\n\r\n") == [b"A: b  c\td", b"E: f"]
    assert unfold(b"A: b\n c\nE: f\n\n") == [b"A: b c", b"E: f"]


def test_header_end_is_behind_the_first_empty_line() -> None:
    assert header_end(b"A: b\r\n\r\nbody\n\n") == 8
    assert header_end(b"A: b\n\nbody\r\n\r\n") == 6
    assert header_end(b"\r\nbody") == 2
    assert header_end(b"\nbody") == 1
    assert header_end(b"A: b\r\n") == 6


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_octets_are_covered_by_fields_without_gaps(header: bytes) -> None:
    at = 0
    for field in fields(header):
        assert field.start == at and field.end > at
        assert field.start <= field.value_at <= field.end
        at = field.end
    assert at == len(header) or header[at:].startswith((b"\n", b"\r\n"))


_PIECES = st.sampled_from(
    [b"From", b"fRoM", b"To", b"Subject", b" ", b"\t", b":", b"\r\n", b"\n", b"\r", b"x", b"\xff", b"\0", b"\r\n "]
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    pieces=st.lists(_PIECES, max_size=30),
    closed=st.booleans(),
    names=st.sets(st.sampled_from([b"from", b"to", b"x"])),
)
def test_fields_are_picked_alike_however_the_header_looks(pieces: list[bytes], closed: bool, names: set[bytes]) -> None:
    header = b"".join(pieces) + (b"\r\n\r\n" if closed else b"")
    picked = b"".join(header[one.start : one.end] for one in fields(header) if one.name in names)
    closing = b"\r\n" if not picked or picked.endswith(b"\n") else b"\r\n\r\n"
    assert select_fields(header, names, exclude=False) == picked + closing


def test_an_empty_name_names_no_field() -> None:
    for header in (b"no field\nA: 1\n\r\n", b"no field\r\nA: 1\r\n\r\n"):
        assert select_fields(header, (b"",), exclude=False) == b"\r\n"
        assert select_fields(header, (b"", b"a"), exclude=False).startswith(b"A: 1")
        assert select_fields(header, (b"",), exclude=True).startswith(b"no field")
