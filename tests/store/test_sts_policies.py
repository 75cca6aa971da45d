"""Rows of MTA-STS policies, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from xtramail.model.pending import drive
from xtramail.store import keys, sts_policies
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.sts_policies import StsPolicy

NOW = 1_767_225_600.0
ROW = StsPolicy(domain="far.example", id="1", mode="enforce", hosts=("a.example",), fetched=NOW, until=NOW + 100)


@pytest.fixture(params=["memory", "lmdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made: Any = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "store", create=True)
    yield made
    made.close()


def put(engine: Any, row: StsPolicy, now: float = NOW, *, most: int = 1_000) -> None:
    async def write() -> None:
        await engine.transact(keys.STORE, lambda txn: sts_policies.put(txn, row, now, most=most))

    drive(write())


def known(engine: Any, domain: str) -> StsPolicy | None:
    found: StsPolicy | None = engine.read(keys.STORE, lambda snap: sts_policies.sts_policy(snap, domain))
    return found


def count(engine: Any) -> int:
    number: int = engine.read(keys.STORE, sts_policies.count)
    return number


def test_a_policy_is_read_as_it_was_written_and_replaced(engine: Any) -> None:
    assert known(engine, "far.example") is None
    put(engine, ROW)
    assert known(engine, "far.example") == ROW
    put(engine, replace(ROW, id="2"))
    changed = known(engine, "far.example")
    assert changed is not None and changed.id == "2" and count(engine) == 1


def test_what_ended_goes_as_others_come(engine: Any) -> None:
    for number in range(40):
        put(engine, replace(ROW, domain=f"{number}.example"))
    assert count(engine) == 40
    put(engine, replace(ROW, domain="new.example", until=NOW + 500), NOW + 200)
    assert count(engine) == 1 and known(engine, "new.example") is not None and known(engine, "0.example") is None


def test_they_never_become_too_many(engine: Any) -> None:
    for number in range(60):
        put(engine, replace(ROW, domain=f"{number}.example", until=NOW + 100 + number), most=20)
    assert count(engine) == 20 and known(engine, "59.example") is not None
