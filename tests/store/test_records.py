from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store import samples
from xtramail.model.bucket import Bucket
from xtramail.store import records
from xtramail.store.records import Counters, FlagRow, MailboxRow, QueueEntry, Record, UserClock

U32 = st.integers(0, 0xFFFF_FFFF)
U63 = st.integers(0, 2**63 - 1)
checked = settings(derandomize=True, deadline=None, max_examples=100)


@checked
@given(U63, st.integers(0, 31), st.sets(st.integers(0, 63)), U32)
def test_a_flag_row_survives_its_bytes(modseq: int, flags: int, keywords: set[int], savedate: int) -> None:
    row = FlagRow(modseq=modseq, flags=flags, keywords=tuple(sorted(keywords)), savedate=savedate)
    value = records.encode_flags(row)
    assert records.decode_flags(value) == row
    assert len(value) == 13 + len(keywords)


@checked
@given(U32, U32, U32, U63, U63)
def test_counters_survive_their_bytes(messages: int, unseen: int, deleted: int, octets: int, modseq: int) -> None:
    row = Counters(messages, unseen, deleted, octets, modseq)
    assert records.decode_counters(records.encode_counters(row)) == row


@checked
@given(U63, U32, U32)
def test_a_clock_survives_its_bytes(modseq: int, uidvalidity: int, mailbox: int) -> None:
    row = UserClock(modseq, uidvalidity, mailbox)
    value = records.encode_clock(row)
    assert records.decode_clock(value) == row
    assert records.modseq_of_clock(value) == modseq


def test_a_user_without_rows_has_empty_counters_and_a_clock_at_its_start() -> None:
    assert records.decode_counters(None) == Counters()
    assert records.decode_clock(None) == UserClock(modseq=0, uidvalidity=0, next_mailbox=1)


def test_cold_records_survive_their_bytes() -> None:
    mailbox = MailboxRow(
        id=1,
        name="Bücher/2026",
        uidvalidity=5,
        uidnext=9,
        highestmodseq=2**62,
        first_recent=3,
        special_use="\\Sent",
        buckets=((Bucket(65_552), 1, 8),),
    )
    assert records.decode(records.encode(mailbox), MailboxRow) == mailbox
    queued = samples.entry()
    assert records.decode(records.encode(queued), QueueEntry) == queued


def test_a_record_written_before_a_field_was_added_still_decodes() -> None:
    class Old(Record, frozen=True):
        name: str

    class New(Record, frozen=True):
        name: str
        added: int = 3

    assert records.decode(records.encode(Old(name="a")), New) == New(name="a", added=3)


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        records.decode(records.encode(samples.account()), MailboxRow)
