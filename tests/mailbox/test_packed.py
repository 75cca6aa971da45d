"""Needles in many headers at once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.mailbox.packed import PackedField, values_of
from xtramail.store.search_texts import USUAL

# None: no such field; a list: one value for each time the field is there.
FIELD = st.one_of(st.none(), st.lists(st.text("abß ", max_size=6), min_size=1, max_size=3))


def octets(field: list[str] | None) -> bytes:
    return b"".join(b"\n" + value.encode() for value in field or ())


@settings(derandomize=True, deadline=None, max_examples=300)
@given(fields=st.lists(FIELD, max_size=12), later=st.lists(FIELD, max_size=5), needle=st.text("abß", max_size=3))
def test_a_needle_is_found_in_the_values_that_have_it_and_nowhere_between(
    fields: list[list[str] | None], later: list[list[str] | None], needle: str
) -> None:
    packed = PackedField([octets(field) for field in fields]).joined(PackedField([octets(one) for one in later]))
    expected = [at for at, values in enumerate([*fields, *later]) if any(needle in value for value in values or ())]
    assert packed.holding(needle.encode()) == expected


def test_a_needle_with_a_line_feed_is_in_no_value() -> None:
    assert PackedField([b"\na\nb", b"\na"]).holding(b"a\nb") == []


def test_values_are_those_of_the_usual_fields_however_they_are_written() -> None:
    header = b"\nfrom: a\nto \t:b\ntopic: c\nto:\nsubject:  d : e \n"
    first = b"\x80\x01\0" + len(header).to_bytes(2, "big") + (len(header) + 8).to_bytes(2, "big") + b"\0\0\0\x07"
    values = dict(zip(USUAL, values_of(first + header + b"x-to: f\ntext"), strict=True))
    assert values == {"from": b"\na", "to": b"\nb\n", "cc": b"", "bcc": b"", "subject": b"\nd : e ", "message-id": b""}
