from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import DAY_ONE, DAY_THREE, DAY_TWO, NOW, USER, add, look, new, write
from xtramail.model.bucket import PERMANENT
from xtramail.model.flags import Flag
from xtramail.store import keys, mailboxes, messages, usage
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.verify_checks import check_user

DAYS = (DAY_ONE, DAY_TWO, DAY_THREE)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "copy", "move", "expunge", "delete", "drop", "lose"]),
        st.integers(0, 2),
        st.integers(1, 9),
    ),
    max_size=25,
)


def filled() -> MemoryEngine:
    engine = MemoryEngine()
    write(engine, lambda txn: mailboxes.ensure_special(txn, NOW))
    return engine


def id_of(engine: MemoryEngine, name: str) -> int:
    row = look(engine, lambda snap: mailboxes.mailbox_by_name(snap, name))
    assert row is not None
    return row.id


def counted(engine: MemoryEngine) -> int:
    return sum(look(engine, lambda snap: usage.counted(snap, ())).values())


def stored(engine: MemoryEngine) -> bytes | None:
    return look(engine, lambda snap: snap.get(PERMANENT, keys.USAGE))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(STEPS)
def test_whatever_happens_it_says_what_the_counters_add_up_to(steps: list[tuple[str, int, int]]) -> None:
    engine = filled()
    inbox, trash = id_of(engine, "INBOX"), id_of(engine, "Trash")
    dropped: set[int] = set()
    for number, (step, day, uid) in enumerate(steps, 1):
        match step:
            case "add" if DAYS[day] not in dropped:
                add(engine, inbox, new(DAYS[day], number=number, size=100 * number))
            case "copy":
                write(engine, partial(messages.copy, source=inbox, target=trash, uids=[uid], now=NOW))
            case "move":
                write(engine, partial(messages.move, source=trash, target=inbox, uids=[uid], now=NOW))
            case "expunge":
                gone = partial(messages.expunge, mailbox_id=inbox, uids=[uid], by="ann", now=NOW, deleted_only=False)
                write(engine, gone)
            case "delete":
                write(engine, lambda txn: mailboxes.delete(txn, "Trash", now=NOW))
                trash = write(engine, lambda txn: mailboxes.create(txn, "Trash", now=NOW)).id
            case "drop":
                engine.drop_bucket(DAYS[day], 0)
                dropped.add(DAYS[day])
            case "lose" if look(engine, usage.stored):
                engine.corrupt(PERMANENT, USER, keys.USAGE)
        assert look(engine, mailboxes.used_bytes) == counted(engine)
    assert look(engine, lambda snap: check_user(snap, "ann")) == []


def test_a_move_and_a_flag_write_nothing_of_it() -> None:
    engine = filled()
    inbox, trash = id_of(engine, "INBOX"), id_of(engine, "Trash")
    add(engine, inbox, new(size=10))
    written: list[Any] = []

    def moved(txn: Any) -> None:
        messages.store_flags(txn, inbox, [1], "add", Flag.SEEN, (), now=NOW)
        before = txn.get(PERMANENT, keys.USAGE)
        txn.delete(PERMANENT, keys.USAGE)
        messages.move(txn, inbox, trash, [1], NOW)
        written.append(txn.get(PERMANENT, keys.USAGE))
        txn.put(PERMANENT, keys.USAGE, before)

    write(engine, moved)
    assert set(written) == {None}


def test_verify_says_when_it_differs_from_the_counters() -> None:
    engine = filled()
    add(engine, id_of(engine, "INBOX"), new(size=10))
    row = stored(engine)
    assert row is not None
    write(engine, lambda txn: txn.put(PERMANENT, keys.USAGE, row[:-1] + b"\x0b"))
    (finding,) = look(engine, lambda snap: check_user(snap, "ann"))
    assert str(finding) == "usage: ann: 11 octets held, but 10 by the counters"
