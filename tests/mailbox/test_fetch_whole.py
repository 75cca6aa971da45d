"""Small messages told many at a time: the same octets as told one by one, whatever lies between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap_world import ANN, World
from xtramail.mailbox.fetch import FetchPlan, FetchRun, plan_of
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Access
from xtramail.model.flags import Flag
from xtramail.store import keys, messages
from xtramail.wire.imap.fetch_parser import parse_fetch_items

SIZES = (0, 1, 300, 9_000, 64_999, 65_000, 65_001, 140_000)
ITEMS = (
    "BODY.PEEK[]",
    "(UID BODY.PEEK[])",
    "(FLAGS BODY.PEEK[] UID INTERNALDATE MODSEQ)",
    "(UID RFC822.SIZE BODY.PEEK[HEADER])",
    "(BODY.PEEK[TEXT] ENVELOPE)",
    "RFC822.HEADER",
    "BODY.PEEK[]<10.5000>",
    "BODY.PEEK[1]",
)


def message(number: int, size: int) -> bytes:
    head = b"Subject: number %d\r\nFrom: bob@example.net\r\n\r\n" % number
    return head + bytes(33 + (number + at) % 90 for at in range(size))


def plan(items: str) -> FetchPlan:
    return plan_of(parse_fetch_items(items.encode()), uid=True)


def told(session: Session, plan: FetchPlan) -> tuple[bytes, bool]:
    """The lines, and whether all could be told."""
    view = session.view
    assert view is not None
    run = FetchRun(engine=session.services.engine, view=view, plan=plan, with_flags=frozenset())
    octets = b"".join(run.octets(view.uids))
    return octets, run.failed is None


def at_once(session: Session, plan: FetchPlan) -> bytes | None:
    view = session.view
    assert view is not None
    return FetchRun(engine=session.services.engine, view=view, plan=plan, with_flags=frozenset()).at_once(view.uids)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(sizes=st.lists(st.sampled_from(SIZES), max_size=12), items=st.sampled_from(ITEMS), days=st.booleans())
def test_they_are_told_as_one_by_one(sizes: list[int], items: str, days: bool) -> None:
    world = World()
    for number, size in enumerate(sizes):
        world.deliver(message(number, size), flags=Flag.SEEN if number % 3 else None)
        if days:
            world.clock.advance(50_000)
    session = world.session()
    session.select("INBOX", Access.READ_ONLY)
    wanted = plan(items)
    octets, complete = told(session, wanted)
    assert complete
    assert (octets, True) == told(session, replace(wanted, whole=None))
    assert at_once(session, wanted) in (None, octets)


@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("count", [1, 4, 5])
def test_few_are_told_at_once_as_many_are_in_a_stream(count: int, items: str) -> None:
    world = World()
    for number in range(count):
        world.deliver(message(number, 9_000))
    session = world.session()
    session.select("INBOX", Access.READ_ONLY)
    wanted = plan(items)
    expected = told(session, wanted)[0] if count < 5 and (wanted.whole or wanted.listing) is not None else None
    assert at_once(session, wanted) == expected


@pytest.mark.parametrize("chunk", [0, 1])
def test_all_but_a_damaged_one_are_told(chunk: int) -> None:
    world = World()
    for number in range(5):
        world.deliver(message(number, 500))
    session = world.session()
    view = session.select("INBOX", Access.READ_ONLY)
    bucket = view.places([3])[0].bucket
    row = world.engine.read(keys.user_scope(ANN), lambda snap: messages.message_row(snap, view.mailbox_id, bucket, 3))
    assert row is not None
    world.engine.corrupt(row.body.bucket, keys.BODY, keys.body_chunk(row.body.id, chunk))
    octets, complete = told(session, plan("(UID BODY.PEEK[])"))
    assert not complete
    assert [octets.count(b"Subject: number %d\r\n" % number) for number in range(5)] == [1, 1, 0, 1, 1]


def test_many_small_ones_are_a_few_pieces() -> None:
    world = World()
    for number in range(60):
        world.deliver(message(number, 3_000))
    session = world.session()
    view = session.select("INBOX", Access.READ_ONLY)
    run = FetchRun(engine=world.engine, view=view, plan=plan("BODY.PEEK[]"), with_flags=frozenset())
    assert 2 <= len(list(run.octets(view.uids))) <= 4


def test_where_all_are_gone_nothing_is_told() -> None:
    world = World()
    world.deliver()
    session = world.session()
    view = session.select("INBOX", Access.READ_ONLY)
    uids = view.uids
    world.engine.drop_bucket(view.told.homes[1], 1)
    run = FetchRun(engine=world.engine, view=view, plan=plan("BODY.PEEK[]"), with_flags=frozenset())
    assert list(run.octets(uids)) == []
    assert run.failed is not None
