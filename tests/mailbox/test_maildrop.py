"""A maildrop without a connection: sizes found once, in slices, and what happens to a text that cannot be read on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.imap_world import ANN, MAIL, World
from xtramail.mailbox.fetch import StreamBroken
from xtramail.mailbox.maildrop import KnownSizes, Maildrop
from xtramail.mailbox.session import Session
from xtramail.model.clock import SetClock
from xtramail.model.errors import NoSuchMessage
from xtramail.store import keys, messages

LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 20_000


class TickingClock(SetClock):
    """Each look at it takes ten milliseconds."""

    def monotonic(self) -> float:
        self.advance(0.01)
        return super().monotonic()


def test_sizes_are_found_out_once_for_all_sessions() -> None:
    world, sizes = World(), KnownSizes()
    world.deliver()
    one = Maildrop(world.session(), sizes)
    with pytest.raises(NoSuchMessage):
        one.size(1)
    assert list(one.measure([1])) == []
    other = Maildrop(world.session(), sizes)
    assert other.size(1) == one.size(1) == len(MAIL)


def test_finding_out_sizes_lets_others_have_their_turn() -> None:
    world = World()
    for _ in range(4):
        world.deliver(LARGE)
    services = replace(world.services, clock=TickingClock())
    maildrop = Maildrop(Session(services, world.ann), KnownSizes())
    turns = list(maildrop.measure(maildrop.numbers()))
    assert len(turns) >= 8 and not any(turns)
    assert [maildrop.size(number) for number in maildrop.numbers()] == [len(LARGE)] * 4


def test_known_sizes_are_bounded_and_forget_what_is_gone() -> None:
    sizes = KnownSizes(most=5)
    first = sizes.of(1, 1, [1, 2, 3])
    first.update(dict.fromkeys((1, 2, 3), 10))
    sizes.of(2, 1, [1, 2, 3]).update(dict.fromkeys((1, 2, 3), 10))
    assert sizes.of(2, 1, [1, 2, 3]) == {1: 10, 2: 10, 3: 10}
    assert sizes.of(1, 1, [1, 2, 3]) == {}, "asked for longest ago"
    assert sizes.of(2, 1, [3]) == {3: 10}, "the others are gone"
    assert first == {1: 10, 2: 10, 3: 10}, "a session keeps what it began with"


def test_a_text_that_ends_too_early_breaks_the_stream() -> None:
    world = World()
    world.deliver(LARGE)
    maildrop = Maildrop(world.session(), KnownSizes())
    pieces = maildrop.text(1)
    assert next(pieces).startswith(b"Subject: large")
    read = world.engine.read(keys.user_scope(ANN), lambda snap: [
        row.body for bucket in snap.buckets() if bucket for _, row in messages.message_rows(snap, 1, bucket, 1, 1)
    ])  # fmt: skip
    body = read[0]
    world.engine.transact(keys.BODY, lambda txn: txn.delete(body.bucket, keys.body_chunk(body.id, 2))).result()
    with pytest.raises(StreamBroken):
        list(pieces)


def test_closing_lets_go_of_inbox_and_may_be_done_twice() -> None:
    world = World()
    world.deliver()
    maildrop = Maildrop(world.session(), KnownSizes())
    assert len(world.services.looks) == 1
    maildrop.close()
    maildrop.close()
    assert len(world.services.looks) == 0
