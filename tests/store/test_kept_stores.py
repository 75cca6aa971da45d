"""Stores of each format (``tests/fixtures``): this version opens them, and sees what was seen of them then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.relay_world import RelayWorld
from tests.fixtures.life import KEY_FILE, PASSWORD, SEEN, SETTINGS, seen
from tests.source_tree import ROOT
from xtramail.app.config import load
from xtramail.app.paths import Paths
from xtramail.app.upgrade import Choice, Formats, upgrade_store
from xtramail.directory import passwords
from xtramail.directory.holding import release_domain
from xtramail.directory.keyring import load_keyring
from xtramail.model.clock import SetClock
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import keys, schema
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.lmdb_engine import MAP_SIZE, LmdbEngine
from xtramail.store.upgrade_steps import STEPS
from xtramail.store.verify import verify

KEPT = sorted((ROOT / "tests" / "fixtures").glob("format-*"))
LATER = 1_767_600_000.0


@pytest.fixture(params=KEPT, ids=lambda folder: folder.name)
def kept(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def store(kept: Path, tmp_path: Path) -> Path:
    """The kept store as this version has it."""
    shutil.copy(kept / DATA_FILE, tmp_path / DATA_FILE)
    upgrade_store(
        Paths(store=tmp_path, certificates=tmp_path, keys=kept / KEY_FILE, config=None),
        Choice(no_backup=True),
        formats=Formats(),
        map_size=MAP_SIZE,
        now=LATER,
        say=lambda text: None,
        progress=lambda done: None,
    )
    return tmp_path


def differs(then: Any, now: Any, place: str = "") -> list[str]:
    """What was there and is not, or is another now; what came to it since is nothing."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [fault for key, one in then.items() for fault in differs(one, now.get(key), f"{place}/{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [fault for number, (one, other) in pairs for fault in differs(one, other, f"{place}/{number}")]
    return [] if then == now else [f"{place}: {then!r} is {now!r}"]


def test_this_format_and_all_from_which_there_is_a_way_are_kept() -> None:
    assert {folder.name for folder in KEPT} == {f"format-{one}" for one in [keys.FORMAT, *(s.before for s in STEPS)]}


def test_mail_queue_ledger_users_and_all_else_are_as_they_were(kept: Path, store: Path) -> None:
    engine = LmdbEngine(store)
    schema.open_format(engine)
    now = json.loads(json.dumps(seen(engine, load_keyring(kept / KEY_FILE))))
    engine.close()
    assert differs(json.loads((kept / SEEN).read_text()), now) == []


def test_nothing_in_it_is_found_damaged(store: Path) -> None:
    report = verify(store)
    assert report.findings == [] and report.messages > 10


def test_its_users_log_in_and_its_mail_goes_on(kept: Path, store: Path) -> None:
    engine = LmdbEngine(store)
    schema.open_format(engine)
    world = RelayWorld(engine=engine, clock=SetClock(LATER))
    assert passwords.verify(Secret(PASSWORD), world.ann.password, load_keyring(kept / KEY_FILE))
    before = len(world.mailbox(world.ann))
    assert world.receive("ann@local.example").code == 250
    assert len(world.mailbox(world.ann)) == before + 1
    drive(release_domain(world.desk, "relay.example"))
    world.ticks(3, 3_600.0)
    assert world.courier.taken and world.balanced()
    engine.close()
    assert verify(store).findings == []


def test_its_settings_are_read_without_a_mistake(kept: Path) -> None:
    load(config=str(kept / SETTINGS))
