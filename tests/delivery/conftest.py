"""The world on both engines, for tests that look at rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.relay_world import RelayWorld
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.memory_engine import MemoryEngine


@pytest.fixture(params=["memory", "lmdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelayWorld]:
    engine: Any = MemoryEngine() if request.param == "memory" else LmdbEngine(tmp_path / "store", create=True)
    yield RelayWorld(engine=engine)
    engine.close()
