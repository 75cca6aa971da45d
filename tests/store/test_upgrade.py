from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.store.filled import DAYS, fill
from tests.store.pretended_formats import (
    BULK,
    LONGER,
    MANY,
    MOVED,
    STEPS,
    TO,
    add_many,
    changed,
    opened,
    rows_of,
)
from xtramail.model.bucket import PERMANENT
from xtramail.model.errors import FormatMismatch
from xtramail.store import checksum, keys, schema, upgrade
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import encode_number
from xtramail.store.rows import physical
from xtramail.store.upgrade import Place, Row, Step, StepDone
from xtramail.store.upgrade_steps import STEPS as REAL
from xtramail.store.upgrade_steps import WITHOUT_WAY


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LmdbEngine]:
    opened_engine = LmdbEngine(tmp_path, create=True)
    fill(opened_engine)
    add_many(opened_engine)
    yield opened_engine
    opened_engine.close()


def found(engine: LmdbEngine) -> int | None:
    return engine.read(keys.STORE, schema.format_of)


def begun(engine: LmdbEngine) -> upgrade.Upgrading | None:
    return engine.read(keys.STORE, upgrade.unfinished)


def test_steps_change_what_they_take_and_nothing_else(engine: LmdbEngine) -> None:
    expected = changed(rows_of(engine))
    done = upgrade.run(engine, STEPS)
    assert opened(rows_of(engine)) == expected
    assert found(engine) == TO and begun(engine) is None
    assert [(step.before, step.changed, step.damaged) for step in done] == [
        (keys.FORMAT, MANY - MANY // 10, 0),
        (keys.FORMAT + 1, MANY, 0),
    ]


def test_a_rehearsal_counts_what_the_steps_would_change_and_writes_nothing(engine: LmdbEngine) -> None:
    before = rows_of(engine)
    told = upgrade.rehearse(engine, STEPS, None)
    assert rows_of(engine) == before
    done = upgrade.run(engine, STEPS)
    assert [(step.before, step.changed) for step in told] == [(step.before, step.changed) for step in done]


def test_what_was_begun_goes_on_where_it_was_and_no_row_is_changed_twice(engine: LmdbEngine) -> None:
    expected = changed(rows_of(engine))

    def stop(done: StepDone) -> None:
        raise KeyboardInterrupt

    for step, at in ((LONGER, keys.FORMAT + 1), (MOVED, TO)):
        while begun(engine) is not None or found(engine) != at:
            with pytest.raises(KeyboardInterrupt):
                upgrade.run(engine, [step], progress=stop)
            state = begun(engine)
            assert state is not None and found(engine) == at
            told = upgrade.rehearse(engine, [step], state)
            assert told[0].changed + state.changed in (MANY, MANY - MANY // 10)
            if not told[0].looked:
                upgrade.run(engine, [step])
    assert opened(rows_of(engine)) == expected


def test_nobody_opens_a_store_that_is_half_way(engine: LmdbEngine) -> None:
    state = upgrade.Upgrading(before=keys.FORMAT - 1, backup="/backup")
    engine.transact(keys.STORE, lambda txn: upgrade._begin(txn, state)).result()
    assert found(engine) == keys.FORMAT, "a version that knows no more than the format before refuses it as newer"
    with pytest.raises(FormatMismatch, match="half-way to format .* run xtramail store upgrade again"):
        schema.open_format(engine)


def test_a_damaged_row_is_counted_and_left_as_it_is(engine: LmdbEngine) -> None:
    key = physical(PERMANENT, BULK, b"z00000001")
    engine.submit(lambda rows, drops: rows.put(key, b"broken"), None).result()
    assert upgrade.rehearse(engine, [LONGER], None)[0].damaged == 1
    assert upgrade.run(engine, [LONGER])[0].damaged == 1
    assert rows_of(engine)[key] == b"broken"


def test_rows_of_a_dropped_day_are_left_to_their_end(engine: LmdbEngine) -> None:
    key = Place(DAYS[0], BULK, b"z1")
    engine.transact(BULK, lambda txn: txn.put(*key[::2], b"old")).result()
    engine.drop_bucket(DAYS[0], 1).result()
    upgrade.run(engine, [LONGER])
    assert checksum.unseal(physical(*key), rows_of(engine)[physical(*key)]) == b"old"


def test_a_step_that_would_take_its_own_row_again_is_stopped_before_it_does(engine: LmdbEngine) -> None:
    def onwards(place: Place, value: bytes) -> Sequence[Row]:
        return [(place._replace(key=place.key + b"z"), value)]

    circle = Step(
        before=keys.FORMAT,
        title="circle",
        scopes=LONGER.scopes,
        takes=LONGER.takes,
        change=onwards,
    )
    with pytest.raises(ValueError, match="would take again"):
        upgrade.run(engine, [circle])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (1, "was never released"),
        (0, "knows no way from format 0 to 1; nothing was changed. install the versions between"),
        (keys.FORMAT + 1, "run the newer xtramail that wrote it"),
    ],
)
def test_a_format_without_a_way_is_refused_with_what_to_do(engine: LmdbEngine, number: int, reason: str) -> None:
    value = encode_number(number)
    engine.transact(keys.STORE, lambda txn: txn.put(PERMANENT, keys.FORMAT_NUMBER, value)).result()
    with pytest.raises(FormatMismatch, match=reason):
        upgrade.path(found(engine), begun(engine), REAL, to=keys.FORMAT, without=WITHOUT_WAY)


def test_every_format_has_its_step_or_says_why_there_is_none() -> None:
    assert sorted([step.before for step in REAL] + list(WITHOUT_WAY)) == list(range(1, keys.FORMAT))
