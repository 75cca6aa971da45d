"""What a client missed: exact against brute force, and cut to what it knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap_world import World
from xtramail.mailbox.look import Look
from xtramail.mailbox.resync import _gaps, above, agreed, changed_uids, vanished
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access
from xtramail.model.flags import Flag
from xtramail.model.pending import drive
from xtramail.model.sequence import STAR, SequenceSet

DAY = 86_400
ALL = SequenceSet.of([(1, STAR)])


def of(*ranges: tuple[int, int]) -> SequenceSet:
    return SequenceSet.of(ranges)


def world_of(days: int, each: int) -> tuple[World, Session]:
    """``each`` messages a day in INBOX."""
    world = World()
    for _ in range(days):
        for _ in range(each):
            world.deliver()
        world.clock.advance(DAY)
    return world, world.session()


def expunge(session: Session, *uids: int) -> None:
    view = session.select("INBOX", Access.READ_WRITE)
    drive(session.store_flags(view, uids, "add", Flag.DELETED, ()))
    drive(session.expunge(view, uids))


def look_of(session: Session) -> Look:
    return session.select("INBOX", Access.READ_ONLY).told


def test_nothing_vanished_for_a_client_that_knows_the_newest_modseq() -> None:
    _, session = world_of(2, 3)
    expunge(session, 2, 5)
    look = look_of(session)
    assert not vanished(look, look.uids, look.modseq, ALL)
    assert changed_uids(look, look.modseq) == []


def test_what_vanished_is_cut_to_what_the_client_knows_and_to_uids_that_were_given() -> None:
    _, session = world_of(1, 8)
    before = look_of(session).modseq
    expunge(session, 2, 3, 7, 8)
    look = look_of(session)
    assert bytes(vanished(look, look.uids, before, ALL)) == b"2:3,7:8"
    assert bytes(vanished(look, look.uids, before, of((3, 7), (100, 200)))) == b"3,7"
    assert not vanished(look, look.uids, before, of((4, 6)))
    assert bytes(vanished(look, look.uids, before, of((7, 0xFFFF_FFF0)))) == b"7:8"


def test_old_gaps_of_buckets_that_did_not_change_are_not_told_again() -> None:
    _, session = world_of(3, 3)
    expunge(session, 2)
    since = look_of(session).modseq
    expunge(session, 8)
    look = look_of(session)
    assert bytes(vanished(look, look.uids, since, ALL)) == b"8"
    assert bytes(vanished(look, look.uids, since - 1, ALL)) == b"2,8"


def test_what_expired_vanished_too_and_raises_the_modseq() -> None:
    world, session = world_of(3, 2)
    look = look_of(session)
    first = min(look.parts)
    world.engine.drop_bucket(first, int(world.clock.now() * 1e6)).result()
    after = look_of(session)
    assert after.modseq > look.modseq
    assert bytes(vanished(after, after.uids, look.modseq, ALL)) == b"1:2"


def test_an_empty_new_mailbox_has_a_modseq_and_nothing_vanished() -> None:
    look = look_of(World().session())
    assert look.modseq > 0
    assert not vanished(look, look.uids, 0, ALL)


def test_message_numbers_that_still_hold_prove_that_nothing_below_is_gone() -> None:
    uids = [10, 20, 31, 40, 50]
    assert agreed(uids, of((1, 5)), of((10, 10), (20, 20), (30, 30), (40, 40), (50, 50))) == 50
    assert agreed(uids, of((3, 3)), of((30, 30))) == 0
    assert agreed(uids, of((2, 2), (6, 6)), of((20, 20), (50, 50))) == 20
    assert agreed([], of((1, 2)), of((1, 2))) == 0
    for numbers, known in ((of((1, 2)), of((1, 3))), (of((1, STAR)), of((1, STAR)))):
        with pytest.raises(ValueError):
            agreed(uids, numbers, known)


def test_a_pairing_of_all_numbers_there_are_costs_no_more_than_the_mailbox() -> None:
    huge = of((1, 0xFFFF_FFF0))
    assert agreed([1, 2, 4], huge, huge) == 2


def test_above_keeps_what_lies_beyond() -> None:
    assert above(of((1, 5), (9, 12)), 10).ranges == ((11, 12),)
    assert above(ALL, 4).ranges == ((5, STAR),)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    steps=st.lists(st.sets(st.integers(1, 9), max_size=4), min_size=1, max_size=4),
    known=st.sets(st.integers(1, 14), min_size=1),
    since_step=st.integers(0, 3),
)
def test_every_uid_that_went_since_is_told_and_none_that_is_there(
    steps: list[set[int]], known: set[int], since_step: int
) -> None:
    _, session = world_of(3, 3)
    since, gone_since = look_of(session).modseq, set[int]()
    for step, uids in enumerate(steps):
        if step == since_step:
            since, gone_since = look_of(session).modseq, set()
        present = set(look_of(session).uids)
        expunge(session, *uids)
        gone_since |= uids & present
    look = look_of(session)
    told = vanished(look, look.uids, since, SequenceSet.of_numbers(known))
    told_uids = {uid for uid in range(1, 20) if uid in told}
    assert gone_since & known <= told_uids
    assert told_uids <= known - set(look.uids)
    assert max(told_uids, default=0) < look.mailbox.uidnext


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    uids=st.sets(st.integers(1, 30), max_size=12),
    gone=st.sets(st.integers(1, 30)),
    claimed=st.sets(st.integers(1, 12), min_size=1),
)
def test_a_true_pairing_never_hides_what_is_gone(uids: set[int], gone: set[int], claimed: set[int]) -> None:
    knew = sorted(uids)
    numbers = sorted(number for number in claimed if number <= len(knew))
    pairs = SequenceSet.of_numbers(numbers), SequenceSet.of_numbers(knew[number - 1] for number in numbers)
    proven = agreed(sorted(uids - gone), *pairs)
    assert all(uid > proven for uid in uids & gone)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.sets(st.integers(1, 60)), st.lists(st.tuples(st.integers(1, 60), st.integers(0, 30)), max_size=4))
def test_gaps_are_what_is_not_present_of_the_spans(present: set[int], spans: list[tuple[int, int]]) -> None:
    wanted = SequenceSet.of((low, low + more) for low, more in spans)
    gaps = SequenceSet(tuple(_gaps(iter(wanted.ranges), sorted(present))))
    assert [number for number in range(100) if number in gaps] == [
        number for number in range(100) if number in wanted and number not in present
    ]
    assert gaps == SequenceSet.of(gaps.ranges)
