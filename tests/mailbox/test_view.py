"""Message numbers of a view, and what a command may be told at its end."""

from __future__ import annotations

import pytest

from tests.imap_world import World
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import NOTHING, Access, Changes, Telling, View
from xtramail.model.errors import BadInput
from xtramail.model.flags import Flag
from xtramail.model.pending import drive
from xtramail.model.sequence import STAR, SequenceSet


def opened(count: int) -> tuple[World, Session, View]:
    world = World()
    for _ in range(count):
        world.deliver()
    session = world.session()
    return world, session, session.select("INBOX", Access.READ_WRITE)


def expunge(world: World, *uids: int) -> None:
    """Another session does it."""
    session = world.session()
    view = session.select("INBOX", Access.READ_WRITE)
    drive(session.store_flags(view, uids, "add", Flag.DELETED, ()))
    drive(session.expunge(view, uids))
    session.close()


def numbers(*ranges: tuple[int, int]) -> SequenceSet:
    return SequenceSet.of(ranges)


def test_numbers_name_what_the_client_was_told() -> None:
    _, _, view = opened(3)
    assert view.select_numbers(numbers((1, 2))) == [1, 2]
    assert view.select_numbers(numbers((2, STAR))) == [2, 3]
    assert view.select_numbers(numbers((STAR, STAR))) == [3]
    with pytest.raises(BadInput):
        view.select_numbers(numbers((1, 4)))
    assert view.select_uids(numbers((2, 99))) == [2, 3]
    assert view.select_uids(numbers((99, STAR))) == [3]
    assert view.select_uids(numbers((99, 100))) == []


def test_everything_in_an_empty_mailbox_is_nothing() -> None:
    _, _, view = opened(0)
    assert view.select_numbers(numbers((1, STAR))) == []
    assert view.select_uids(numbers((1, STAR))) == []
    with pytest.raises(BadInput):
        view.select_numbers(numbers((1, 1)))


def test_nothing_new_is_nothing_to_tell() -> None:
    _, _, view = opened(2)
    assert not view.sync(Telling.EVERYTHING)
    assert view.sync(Telling.EVERYTHING) is NOTHING
    assert not NOTHING


def test_expunges_wait_and_then_come_highest_first() -> None:
    world, _, view = opened(4)
    expunge(world, 2, 3)
    assert view.sync(Telling.NO_EXPUNGES) == Changes()
    assert view.exists == 4 and view.expunged(2) and not view.expunged(1)
    assert [place.uid for place in view.places([1, 2, 3, 4])] == [1, 2, 3, 4]
    assert view.sync(Telling.EVERYTHING).expunged == ((3, 3), (2, 2))
    assert list(view.uids) == [1, 4]
    assert view.number(4) == 2


def test_new_messages_are_told_while_expunges_wait() -> None:
    world, _, view = opened(2)
    expunge(world, 1)
    world.deliver()
    changes = view.sync(Telling.NO_EXPUNGES)
    assert changes.exists == 3 and changes.expunged == ()
    assert view.number(3) == 3
    changes = view.sync(Telling.EVERYTHING)
    assert changes.expunged == ((1, 1),) and changes.exists is None
    assert list(view.uids) == [2, 3]


def test_one_goes_and_one_comes_is_told_as_both() -> None:
    world, _, view = opened(1)
    expunge(world, 1)
    world.deliver()
    changes = view.sync(Telling.EVERYTHING)
    assert changes.expunged == ((1, 1),) and changes.exists == 1 and changes.recent == 1


def test_a_message_that_came_and_went_unseen_is_not_told() -> None:
    world, _, view = opened(1)
    world.deliver()
    expunge(world, 2)
    assert not view.sync(Telling.EVERYTHING)
    world.deliver()
    assert view.sync(Telling.EVERYTHING).exists == 2
    assert list(view.uids) == [1, 3]


def test_own_changes_are_told_unless_they_were_made_silently() -> None:
    _, session, view = opened(2)
    stored = drive(session.store_flags(view, [1], "add", Flag.SEEN, ()))
    view.quieten(stored.changed)
    drive(session.store_flags(view, [2], "add", Flag.SEEN, ("word",)))
    changes = view.sync(Telling.EVERYTHING)
    assert [(change.number, change.uid) for change in changes.flags] == [(2, 2)]
    assert changes.keywords == ("word",)
