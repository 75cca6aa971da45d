"""Whatever is asked, SEARCH finds what each message says of itself; in whatever pieces, remembered or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.header import Header

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap_world import World, drive
from xtramail.mailbox.run_memory import RunMemory
from xtramail.mailbox.search import SearchRun
from xtramail.mailbox.services import MailboxServices
from xtramail.mailbox.view import Access, Telling, View
from xtramail.model.flags import Flag
from xtramail.model.sequence import SequenceSet
from xtramail.wire.imap.search_keys import (
    And,
    BodyContains,
    Everything,
    HasFlag,
    HeaderContains,
    InUids,
    Larger,
    Not,
    Or,
    SearchKey,
    TextContains,
)

Case = tuple[SearchKey, Callable[[int], bool]]
"""A key, and whether message n fits it."""

ATOMS: tuple[Case, ...] = (
    (HasFlag(Flag.SEEN, True), lambda n: n % 2 == 0),
    (HasFlag(Flag.FLAGGED, False), lambda n: n % 5 != 0),
    (HeaderContains("subject", "Größe 3"), lambda n: n % 7 == 3),
    (HeaderContains("from", "ann"), lambda n: n % 3 == 0),
    (HeaderContains("cc", ""), lambda n: n % 4 == 1),
    (HeaderContains("x-number", "1"), lambda n: "1" in str(n)),
    (BodyContains("word5"), lambda n: n % 6 == 5),
    (TextContains("WORD"), lambda n: n % 6 == 5 or n % 7 == 6),
    (Larger(1_000), lambda n: n % 11 == 0 or n % 13 == 5),
    (InUids(SequenceSet(((10, 25),))), lambda n: 10 <= n <= 25),
    (Everything(), lambda n: True),
)
KEYS: st.SearchStrategy[Case] = st.recursive(
    st.sampled_from(ATOMS),
    lambda some: st.one_of(
        some.map(lambda one: (Not(one[0]), lambda n: not one[1](n))),
        st.tuples(some, some).map(lambda two: (Or(two[0][0], two[1][0]), lambda n: two[0][1](n) or two[1][1](n))),
        st.lists(some, min_size=2, max_size=4).map(
            lambda all_: (And(tuple(one[0] for one in all_)), lambda n: all(one[1](n) for one in all_))
        ),
    ),
    max_leaves=8,
)


def numbered(number: int) -> bytes:
    """Message ``number`` of those that ATOMS are about; one in thirteen has a header too long to be laid down."""
    fields = [f"From: {'Ann' if number % 3 == 0 else 'Bob'}", f"X-Number: {number}"]
    fields += ["Cc: "] if number % 4 == 1 else []
    fields += ["X-Long: " + "z" * 60_000] if number % 13 == 5 else []
    subject = Header(f"Größe {number % 7}" if number % 7 != 6 else "Two Words", "utf-8").encode()
    text = f"Word{5 if number % 6 == 5 else ''} is here" if number % 6 == 5 else "Nothing"
    filler = "y" * 1_000 if number % 11 == 0 else ""
    return "\r\n".join([*fields, f"Subject: {subject}", "", text, filler, ""]).encode()


def flags_of(number: int) -> Flag:
    return (Flag.SEEN if number % 2 == 0 else Flag(0)) | (Flag.FLAGGED if number % 5 == 0 else Flag(0))


def numbered_world(count: int = 60) -> tuple[World, View]:
    made = World()
    for number in range(1, count + 1):
        made.deliver(numbered(number), flags=flags_of(number))
    return made, made.session().select("INBOX", Access.READ_ONLY)


WORLD, VIEW = numbered_world()
SERVICES = WORLD.services


def searched(services: MailboxServices, view: View, key: SearchKey) -> list[int]:
    run = SearchRun(services, view, key)
    for _ in run.steps():
        pass
    return run.found


def small(limit: int = 1 << 20) -> MailboxServices:
    """Runs of seven messages, so that there are many."""
    return replace(SERVICES, runs=RunMemory(limit, of=7))


REMEMBERING, FORGETFUL = small(), small(limit=0)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(key=KEYS)
def test_a_search_finds_what_its_key_says_of_each_message(key: Case) -> None:
    expected = [uid for uid in VIEW.uids if key[1](uid)]
    for services in (REMEMBERING, FORGETFUL, SERVICES):
        assert searched(services, VIEW, key[0]) == expected
    assert FORGETFUL.runs.octets == 0


@settings(derandomize=True, deadline=None, max_examples=30)
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), KEYS), min_size=5, max_size=25))
def test_what_is_remembered_stays_true_while_mail_comes_and_goes(steps: list[tuple[int, int, Case]]) -> None:
    made, count = World(), 0
    services = replace(made.services, runs=RunMemory(of=7))
    made.services = services
    session = made.session()
    view = session.select("INBOX", Access.READ_WRITE)
    for step, which, (key, says) in steps:
        if step < 3:
            for _ in range(which % 5 + 1):
                count += 1
                made.deliver(numbered(count), flags=flags_of(count))
        elif view.uids:
            doomed = [uid for uid in view.uids if uid % 4 == which % 4]
            drive(session.store_flags(view, doomed, "add", Flag.DELETED, ()))
            drive(session.expunge(view, doomed))
        view.sync(Telling.EVERYTHING)
        assert searched(services, view, key) == [uid for uid in view.uids if says(uid)]
