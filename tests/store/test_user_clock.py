from __future__ import annotations

import pytest

from tests.store.samples import DAY_ONE, NOW, write
from xtramail.model.errors import LimitReached
from xtramail.store import user_clock
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine

MICROS = int(NOW * 1_000_000)


def test_a_modseq_follows_the_clock_and_never_goes_back() -> None:
    engine = MemoryEngine()
    given = [
        write(engine, lambda txn, at=at: user_clock.next_modseq(txn, at))
        for at in (MICROS, MICROS, MICROS - 5_000_000, 0, MICROS + 9)
    ]
    assert given == [MICROS, MICROS + 1, MICROS + 2, MICROS + 3, MICROS + 9]


def test_a_modseq_is_above_every_drop_stamp() -> None:
    engine = MemoryEngine()
    stamp = engine.drop_bucket(DAY_ONE, MICROS + 10**12).result()
    assert write(engine, lambda txn: user_clock.next_modseq(txn, MICROS)) == stamp + 1


def test_a_drop_stamp_is_above_every_modseq_given_to_any_user() -> None:
    engine = MemoryEngine()
    given = write(engine, lambda txn: user_clock.next_modseq(txn, MICROS + 10**9))
    assert engine.drop_bucket(DAY_ONE, MICROS).result() > given


def test_uidvalidities_grow_though_the_clock_stands_or_goes_back() -> None:
    engine = MemoryEngine()

    def make(txn: Txn) -> list[tuple[int, int]]:
        return [user_clock.next_mailbox(txn, now) for now in (NOW, NOW, NOW - 1000, NOW + 50)]

    ids, values = zip(*write(engine, make), strict=True)
    assert ids == (1, 2, 3, 4)
    assert values == (int(NOW), int(NOW) + 1, int(NOW) + 2, int(NOW) + 50)


def test_a_modseq_stays_within_63_bits() -> None:
    engine = MemoryEngine()
    assert write(engine, lambda txn: user_clock.next_modseq(txn, 2**70)) == 2**63 - 1
    with pytest.raises(LimitReached):
        write(engine, lambda txn: user_clock.next_modseq(txn, MICROS))
