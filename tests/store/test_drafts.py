from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.store.harness import MAKES, Harness
from tests.store.samples import DAY_ONE, DAY_TWO, NOW, USER, new
from xtramail.model.bucket import Bucket
from xtramail.model.flags import Flag
from xtramail.store import mailboxes, messages
from xtramail.store.drafts import drafts_since
from xtramail.store.engine import Snapshot, Txn

T = TypeVar("T")
OUTAGE = NOW + 3_600


class Box:
    """One user's mail; messages are numbered as they come."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._number = 0
        self._write(lambda txn: mailboxes.ensure_special(txn, NOW))

    def _write(self, function: Callable[[Txn], T]) -> T:
        return self._harness.done(self._harness.engine.transact(USER, function))

    def _id(self, name: str) -> int:
        def find(snap: Snapshot) -> int:
            row = mailboxes.mailbox_by_name(snap, name)
            assert row is not None
            return row.id

        return self._harness.engine.read(USER, find)

    def add(self, at: float, mailbox: str = "Drafts", flags: int = 0, bucket: Bucket = DAY_ONE) -> int:
        self._number += 1
        message, target = new(bucket, self._number, flags=flags), self._id(mailbox)
        return self._write(lambda txn: messages.add(txn, target, bucket, message, at)).uid

    def flag(self, uid: int, flag: Flag, at: float, mailbox: str = "Drafts") -> None:
        target = self._id(mailbox)
        self._write(lambda txn: messages.store_flags(txn, target, [uid], "add", flag, (), now=at))

    def expunge(self, uid: int, at: float, mailbox: str = "Drafts") -> None:
        target = self._id(mailbox)
        self._write(lambda txn: messages.expunge(txn, target, [uid], "ann", at, deleted_only=False))

    @property
    def drafts(self) -> int:
        """Since the outage began."""
        return self._harness.engine.read(USER, lambda snap: drafts_since(snap, OUTAGE))


@pytest.fixture(params=MAKES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    harness = Harness(request.param, tmp_path / "store")
    yield Box(harness)
    harness.engine.close()


def test_what_lies_in_drafts_or_bears_the_flag_is_one_wherever_it_arrived(box: Box) -> None:
    assert box.drafts == 0
    box.add(OUTAGE)
    box.add(OUTAGE + 5, bucket=DAY_TWO)
    box.add(OUTAGE + 6, "INBOX", Flag.DRAFT | Flag.SEEN)
    box.add(OUTAGE + 7, "INBOX", Flag.SEEN)
    assert box.drafts == 3


def test_older_ones_count_once_they_are_changed(box: Box) -> None:
    first, _ = box.add(NOW), box.add(NOW + 1)
    assert box.drafts == 0
    box.flag(first, Flag.FLAGGED, OUTAGE + 1)
    assert box.drafts == 1


def test_what_was_sent_or_thrown_away_is_none(box: Box) -> None:
    thrown, marked = box.add(OUTAGE), box.add(OUTAGE)
    box.expunge(thrown, OUTAGE + 1)
    box.flag(marked, Flag.DELETED, OUTAGE + 1)
    assert box.drafts == 0
