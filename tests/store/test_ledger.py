from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.samples import DAY_ONE, DAY_TWO, NOW, look, write
from xtramail.model.bucket import Bucket
from xtramail.model.outcome import Fate
from xtramail.store import keys, ledger
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import LedgerRow


def put(
    engine: MemoryEngine,
    fate: Fate,
    message_id: int = 1,
    recipient: str = "Ann@x",
    bucket: Bucket = DAY_ONE,
    at: float = NOW,
) -> None:
    row = LedgerRow(fate=fate, at=at, reply=f"now {fate}", destination="x")
    write(engine, lambda txn: ledger.ledger_put(txn, bucket, message_id, recipient, row), keys.QUEUE)


def balance(engine: MemoryEngine) -> ledger.Balance:
    return look(engine, ledger.balance, keys.QUEUE)


def test_each_recipient_has_one_fate_and_its_history() -> None:
    engine = MemoryEngine()
    put(engine, Fate.HELD)
    put(engine, Fate.ATTEMPTED, at=NOW + 1)
    put(engine, Fate.DELIVERED, at=NOW + 2)
    put(engine, Fate.HELD, recipient="Bob@x")
    rows = look(engine, lambda snap: ledger.ledger_of(snap, DAY_ONE, 1), keys.QUEUE)
    assert set(rows) == {"Ann@x", "Bob@x"}
    assert (rows["Ann@x"].fate, rows["Ann@x"].at) == (Fate.DELIVERED, NOW + 2)
    assert rows["Ann@x"].history == ((Fate.HELD, NOW, "now held"), (Fate.ATTEMPTED, NOW + 1, "now attempted"))
    assert balance(engine).fates[Fate.DELIVERED] == balance(engine).fates[Fate.HELD] == 1
    assert balance(engine).accepted == 2 and balance(engine).holds


def test_a_long_history_keeps_its_beginning_and_its_end() -> None:
    engine = MemoryEngine()
    for number in range(50):
        put(engine, Fate.ATTEMPTED, at=NOW + number)
    row = look(engine, lambda snap: ledger.ledger_row(snap, DAY_ONE, 1, "Ann@x"), keys.QUEUE)
    assert row is not None and len(row.history) == ledger.HISTORY
    assert (row.history[0][1], row.history[-1][1]) == (NOW, NOW + 48)


def test_a_message_of_many_recipients_does_not_mix_with_another() -> None:
    engine = MemoryEngine()
    put(engine, Fate.HELD, message_id=1)
    put(engine, Fate.HELD, message_id=2)
    assert list(look(engine, lambda snap: ledger.ledger_of(snap, DAY_ONE, 2), keys.QUEUE)) == ["Ann@x"]
    assert look(engine, lambda snap: ledger.ledger_of(snap, DAY_ONE, 3), keys.QUEUE) == {}


def test_the_ledger_moves_with_its_counts() -> None:
    engine = MemoryEngine()
    put(engine, Fate.HELD)
    put(engine, Fate.DELIVERED, recipient="Bob@x")
    put(engine, Fate.HELD, message_id=2)

    def move(txn: Txn) -> int:
        return ledger.move_ledger(txn, DAY_ONE, DAY_TWO, 1)

    before = balance(engine)
    assert write(engine, move, keys.QUEUE) == 2
    assert write(engine, move, keys.QUEUE) == 0
    assert balance(engine) == before
    engine.drop_bucket(DAY_ONE, 0).result()
    assert balance(engine).accepted == 2 and balance(engine).holds


STEP = st.tuples(
    st.integers(1, 3), st.sampled_from(["a@x", "b@x"]), st.sampled_from([DAY_ONE, DAY_TWO]), st.sampled_from(Fate)
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=30))
def test_the_counts_always_equal_a_recount(steps: list[tuple[int, str, Bucket, Fate]]) -> None:
    engine = MemoryEngine()
    for message_id, recipient, bucket, fate in steps:
        put(engine, fate, message_id, recipient, bucket)
    for bucket in (DAY_ONE, DAY_TWO):
        counted = look(engine, lambda snap, b=bucket: ledger.recount(snap, b), keys.QUEUE)
        assert look(engine, lambda snap, b=bucket: ledger.counts(snap, b), keys.QUEUE) == counted
    assert balance(engine).holds
    assert balance(engine).accepted == len({step[:3] for step in steps})
