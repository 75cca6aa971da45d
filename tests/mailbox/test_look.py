"""A shared look: what is read again after a change, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.imap_world import ANN, World
from xtramail.mailbox.look import Look, Looks, take_look
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access, Telling, View
from xtramail.model.errors import NoSuchMailbox
from xtramail.model.flags import Flag
from xtramail.model.pending import drive
from xtramail.store import keys, mailboxes, messages
from xtramail.store.engine import Snapshot
from xtramail.store.erasure import erase

DAY = 86_400


class Counted:
    """A snapshot that counts ranges: each bucket that is read costs one."""

    def __init__(self, snap: Snapshot) -> None:
        self._snap = snap
        self.ranges = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snap, name)

    def range(self, *arguments: Any, **more: Any) -> Any:
        self.ranges += 1
        return self._snap.range(*arguments, **more)


def world_of(days: int) -> World:
    """A message a day in INBOX."""
    world = World()
    for _ in range(days):
        world.deliver()
        world.clock.advance(DAY)
    return world


def inbox(world: World) -> int:
    row = world.engine.read(keys.user_scope(ANN), lambda snap: mailboxes.mailbox_by_name(snap, "INBOX"))
    assert row is not None
    return row.id


def look_at(world: World, before: Look | None) -> tuple[Look, int]:
    """The look, and how many buckets were read for it."""

    def read(snap: Snapshot) -> tuple[Look | None, int]:
        counted = Counted(snap)
        return take_look(counted, inbox(world), before), counted.ranges

    look, ranges = world.engine.read(keys.user_scope(ANN), read)
    assert look is not None
    return look, ranges


def change(world: World, function: Callable[[Any, int], object]) -> None:
    mailbox_id = inbox(world)
    world.engine.transact(keys.user_scope(ANN), lambda txn: function(txn, mailbox_id)).result()


def test_an_unchanged_mailbox_is_the_same_look() -> None:
    world = world_of(5)
    first, ranges = look_at(world, None)
    assert ranges == 5
    assert list(first.uids) == [1, 2, 3, 4, 5]
    again, ranges = look_at(world, first)
    assert again is first
    assert ranges == 0


def test_only_the_bucket_of_a_change_is_read_again() -> None:
    world = world_of(5)
    first, _ = look_at(world, None)
    now = world.clock.now()
    change(world, lambda txn, box: messages.store_flags(txn, box, [3], "add", Flag.SEEN, (), now=now))
    second, ranges = look_at(world, first)
    assert ranges == 1
    assert second.flags[3].flags == Flag.SEEN
    assert first.flags[3].flags == 0
    assert second.uids is first.uids and second.homes is first.homes
    assert second.modseq > first.modseq


def test_a_new_message_and_an_expunged_one() -> None:
    world = world_of(3)
    first, _ = look_at(world, None)
    world.deliver()
    now = world.clock.now()
    change(world, lambda txn, box: messages.expunge(txn, box, [2], "", now, deleted_only=False))
    second, ranges = look_at(world, first)
    assert list(second.uids) == [1, 3, 4]
    assert ranges == 2
    assert set(second.flags) == {1, 3, 4}
    assert 2 not in second.flags
    assert set(first.flags) == {1, 2, 3}


def test_a_dropped_bucket_is_gone_without_a_read() -> None:
    world = world_of(3)
    first, _ = look_at(world, None)
    world.engine.drop_bucket(world.engine.buckets()[0], int(world.clock.now() * 1e6)).result()
    second, ranges = look_at(world, first)
    assert list(second.uids) == [2, 3]
    assert ranges == 0
    assert second.modseq > first.modseq


def test_copies_in_older_buckets_stand_in_the_order_of_their_uids() -> None:
    world = world_of(2)
    now = world.clock.now()
    change(world, lambda txn, box: messages.copy(txn, box, box, [1], now))
    look, _ = look_at(world, None)
    assert list(look.uids) == [1, 2, 3]
    assert look.homes[3] == look.homes[1] != look.homes[2]


def test_an_erased_message_leaves_no_trace() -> None:
    world = world_of(2)
    now = world.clock.now()
    change(world, lambda txn, box: erase(txn, box, [1], now))
    look, _ = look_at(world, None)
    assert list(look.uids) == [2]
    scope = keys.user_scope(ANN)
    assert world.engine.read(scope, messages.recoverables) == []
    assert len(world.engine.read(scope, lambda snap: messages.by_message_id(snap, "<lunch@example.net>"))) == 1
    assert world.engine.read(scope, mailboxes.used_bytes) == sum(row.bytes for row in counters(world))


def counters(world: World) -> list[Any]:
    scope = keys.user_scope(ANN)
    row = world.engine.read(scope, lambda snap: mailboxes.mailbox_by_name(snap, "INBOX"))
    assert row is not None
    return list(world.engine.read(scope, lambda snap: messages.counters(snap, row)).values())


def test_a_deleted_mailbox_is_no_look() -> None:
    world = World()
    session = world.session()
    shared = world.services.looks.hold(ANN, 4711)
    with pytest.raises(NoSuchMailbox):
        shared.now()
    world.services.looks.release(shared)
    assert len(world.services.looks) == 0
    session.close()


def open_session(world: World) -> tuple[Session, View]:
    session = world.session()
    return session, session.select("INBOX", Access.READ_WRITE)


def read_anew(world: World) -> Look:
    return look_at(world, None)[0]


def same(left: Look, right: Look) -> bool:
    """All that a client can be told of them is alike."""
    return (
        left.mailbox == right.mailbox
        and list(left.uids) == list(right.uids)
        and dict(left.flags) == dict(right.flags)
        and left.modseq == right.modseq
        and {bucket: (part.modseq, part.first_unseen) for bucket, part in left.parts.items()}
        == {bucket: (part.modseq, part.first_unseen) for bucket, part in right.parts.items()}
    )


def test_what_a_session_did_itself_is_not_read_again_and_looks_as_if_it_were() -> None:
    world = world_of(4)
    session, view = open_session(world)
    drive(session.store_flags(view, [1, 3], "add", Flag.SEEN, ()))
    followed = view.shared.now()
    assert look_at(world, followed) == (followed, 0)
    assert same(followed, read_anew(world))
    drive(session.move(view, [2], "Trash"))
    drive(session.store_flags(view, [4], "add", Flag.DELETED, ()))
    drive(session.expunge(view))
    followed = view.shared.now()
    assert look_at(world, followed) == (followed, 0)
    assert same(followed, read_anew(world))
    assert [uid for _, uid in view.sync(Telling.EVERYTHING).expunged] == [4, 2]


def test_what_happened_before_an_own_change_is_read_all_the_same() -> None:
    world = world_of(3)
    session, view = open_session(world)
    now = world.clock.now()
    world.deliver()
    change(world, lambda txn, box: messages.store_flags(txn, box, [2], "add", Flag.FLAGGED, (), now=now))
    drive(session.store_flags(view, [1], "add", Flag.SEEN, ()))
    assert same(view.shared.now(), read_anew(world))
    assert {told.uid for told in view.sync(Telling.EVERYTHING).flags} == {1, 2}


def test_a_keyword_of_a_new_name_and_a_move_within_the_mailbox_are_read() -> None:
    world = world_of(3)
    session, view = open_session(world)
    drive(session.store_flags(view, [1], "add", Flag.SEEN, ("fresh",)))
    assert view.shared.now().keywords == ("fresh",)
    drive(session.move(view, [1], "INBOX"))
    assert same(view.shared.now(), read_anew(world))
    assert list(view.shared.now().uids) == [2, 3, 4]


def test_a_look_that_nobody_holds_is_kept_and_brought_up_to_date() -> None:
    world = world_of(3)
    session, view = open_session(world)
    first = view.told
    session.close()
    assert len(world.services.looks) == 0
    now = world.clock.now()
    change(world, lambda txn, box: messages.store_flags(txn, box, [2], "add", Flag.SEEN, (), now=now))
    session, view = open_session(world)
    assert same(view.told, read_anew(world))
    assert sum(part is first.parts.get(bucket) for bucket, part in view.told.parts.items()) == 2
    session.close()


def test_looks_that_nobody_holds_are_bounded_by_their_messages() -> None:
    world = world_of(3)
    looks = Looks(world.engine, kept=9)
    held = [looks.hold(ANN, inbox(world))]
    world.deliver()
    held[0].now()
    boxes = [row.id for row in world.engine.read(keys.user_scope(ANN), mailboxes.mailboxes) if row.name != "INBOX"]
    held += [looks.hold(ANN, box) for box in boxes[:4]]
    for shared in held[1:]:
        shared.now()
    for shared in held:
        looks.release(shared)
    assert looks.hold(ANN, inbox(world)) is held[0]
    looks.release(held[0])
    other = looks.hold(ANN, boxes[4])
    other.now()
    looks.release(other)
    # Five messages and one for each mailbox are ten: the one left longest ago had to go.
    assert looks.hold(ANN, boxes[0]) is not held[1]
    assert looks.hold(ANN, boxes[1]) is held[2]
    assert len(looks) == 2
