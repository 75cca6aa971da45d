from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import message_row
from xtramail.model.bucket import Bucket
from xtramail.model.message import Part
from xtramail.store.message_row import (
    BodyRef,
    MessageRow,
    bodystructures,
    envelopes,
    listed,
    lying,
    plain_structures,
    size_in,
)

PART = Part(
    path=(1, 2),
    mime_at=10,
    mime_length=20,
    body_at=30,
    body_length=40,
    content_type="message/rfc822",
    encoding="7bit",
    charset="utf-8",
    filename="Bücher.eml",
    inner_header_length=12,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=50), st.text(max_size=20), st.text(max_size=20),
    st.text(max_size=20), st.integers(0, 3), st.integers(-(2**40), 2**40), st.integers(-840, 840),
)  # fmt: skip
def test_a_row_survives_its_bytes(
    envelope: bytes, structure: bytes, plain: bytes, preview: str, message_id: str, subject: str, parts: int,
    date: int, zone: int,
) -> None:  # fmt: skip
    body = BodyRef(bucket=Bucket(0xFFFF_0001), id=2**63 - 1, size=50_000_000, header_length=99, return_path_length=31)
    row = MessageRow(
        size=50_000_000, internaldate=date, zone=zone, body=body, object_id=2**63 - 1, thread_id=3, header_length=130,
        envelope=envelope, bodystructure=structure, body_structure_plain=plain, preview=preview, message_id=message_id,
        subject=subject, sent_at=-date, parts=(PART,) * parts, source="append",
    )  # fmt: skip
    again = MessageRow.decoded(row.encoded)
    assert again == row and again.complete
    assert (again.size, again.internaldate, again.zone, again.body) == (50_000_000, date, zone, body)
    assert (again.object_id, again.thread_id, again.header_length) == (2**63 - 1, 3, 130)
    assert (again.envelope, again.bodystructure, again.body_structure_plain) == (envelope, structure, plain)
    assert (again.preview, again.message_id, again.subject) == (preview, message_id, subject)
    assert (again.sent_at, again.source, again.parts) == (-date, "append", (PART,) * parts)
    assert size_in(row.encoded) == 50_000_000
    values = [row.encoded + b"seal"]
    facts = listed(values)
    assert facts == [(50_000_000, date, len(envelope), len(structure), len(plain))]
    assert (envelopes(values, facts), bodystructures(values, facts)) == ([envelope], [structure])
    assert plain_structures(values, facts) == [plain]
    assert lying(values) == [(body.bucket, body.id, body.size, body.header_length)]


def test_a_thread_is_changed_and_nothing_else() -> None:
    row = message_row()
    moved = row.with_thread(77)
    assert moved.thread_id == 77
    assert moved.with_thread(row.thread_id) == row


def test_half_a_surrogate_pair_is_replaced_and_not_an_error() -> None:
    part = Part((1,), 0, 0, 0, 0, "text/plain", "7bit", "x\ud800", "f\udfff")
    row = MessageRow(
        size=1, internaldate=0, body=BodyRef(Bucket(1), 1, 1, 1), object_id=1, header_length=1, envelope=b"",
        bodystructure=b"", body_structure_plain=b"", subject="s\ud800", parts=(part,),
    )  # fmt: skip
    assert row.subject == "s?"
    assert (row.parts[0].charset, row.parts[0].filename) == ("x?", "f?")


def test_a_cut_row_is_not_complete_and_a_stump_is_an_error() -> None:
    value = message_row().encoded
    assert not MessageRow.decoded(value[:-1]).complete
    with pytest.raises(struct.error):
        MessageRow.decoded(value[:20])


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError):
        MessageRow(
            size=1, internaldate=0, body=BodyRef(Bucket(1), 1, 1, 1), object_id=1, header_length=1, envelope=b"",
            bodystructure=b"", body_structure_plain=b"", source="pigeon",
        )  # fmt: skip
