"""One message on its way in: its number is its own, whoever else brings mail at the same moment."""

from __future__ import annotations

import pytest

from tests.mailbox.transfer.boxes import ANN, BOB, NOON, PLAIN, Boxes
from xtramail.mailbox.transfer.coming import Coming, HourAgo, file_in, prepared
from xtramail.mailbox.transfer.entries import Found
from xtramail.model.address import Address
from xtramail.model.bucket import FIRST_DOMAIN_CLASS
from xtramail.model.errors import AlreadyExists
from xtramail.model.ids import IdSource, MessageId
from xtramail.model.pending import drive


class Repeating(IdSource):
    """Gives each id twice, as two processes might."""

    def __init__(self, boxes: Boxes) -> None:
        super().__init__(boxes.clock)
        self._given: list[MessageId] = []

    def next(self) -> MessageId:
        if not self._given:
            self._given = [super().next()] * 2
        return self._given.pop()


def coming(boxes: Boxes, ids: IdSource, octets: bytes) -> Coming:
    found = Found(levels=(), place="x", octets=len(octets), chunks=lambda: iter((octets,)), received_at=NOON)
    return drive(
        prepared(
            boxes.engine, found, "INBOX", octets[-16:], ids=ids, clock=boxes.clock, retention_class=FIRST_DOMAIN_CLASS
        )
    )


def file(boxes: Boxes, address: Address, one: Coming) -> None:
    drive(file_in(boxes.engine, boxes.account(address).id, [one], boxes.clock.now()))


def test_a_small_message_whose_number_is_taken_is_not_written_over_another() -> None:
    boxes = Boxes()
    boxes.make("INBOX", ANN)
    boxes.make("INBOX", BOB)
    ids = Repeating(boxes)
    first, second = coming(boxes, ids, PLAIN + b"first\r\n"), coming(boxes, ids, PLAIN + b"second\r\n")
    file(boxes, ANN, first)
    with pytest.raises(AlreadyExists, match="run this again"):
        file(boxes, BOB, second)
    assert [one.octets for one in boxes.full(ANN)["INBOX"]] == [PLAIN + b"first\r\n"]
    assert boxes.full(BOB) == {}


def test_a_large_message_has_its_number_before_its_octets() -> None:
    boxes = Boxes()
    boxes.make("INBOX", ANN)
    boxes.make("INBOX", BOB)
    ids = Repeating(boxes)
    large = PLAIN + b"x" * 200_000 + b"\r\n"
    first, second = coming(boxes, ids, large + b"first\r\n"), coming(boxes, ids, large + b"second\r\n")
    assert first.body_id != second.body_id
    file(boxes, ANN, first)
    file(boxes, BOB, second)
    assert [one.octets for one in boxes.full(ANN)["INBOX"]] == [large + b"first\r\n"]
    assert [one.octets for one in boxes.full(BOB)["INBOX"]] == [large + b"second\r\n"]


def test_ids_of_an_import_are_of_an_hour_ago() -> None:
    boxes = Boxes()
    behind = HourAgo(boxes.clock)
    assert (behind.now(), behind.monotonic()) == (boxes.clock.now() - 3600, boxes.clock.monotonic())
