"""A bit flips in any page of a store: no wrong octet is served, what is lost has a name, and all else can be saved."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.store.filled import USER, fill
from xtramail.model.errors import XtramailError
from xtramail.store import bodies, mail_rows, mailbox_rows
from xtramail.store.engine import Snapshot
from xtramail.store.lmdb_engine import LmdbEngine, write_store
from xtramail.store.page_file import PAGE_SIZE, PageFile
from xtramail.store.salvage import Salvaged, rows
from xtramail.store.verify import verify

MESSAGES = 12
LONGEST = 3
"""Seconds for one reader: damaged pages may lead in a circle."""


def served(folder: Path) -> dict[int, str]:
    """Every message that can be read now, by its number: the digest of its octets."""
    engine = LmdbEngine(folder)

    def all_of(snap: Snapshot) -> list[Any]:
        return [
            mail_rows.message_row(snap, mailbox.id, found.bucket, found.uid)
            for mailbox in mailbox_rows.mailboxes(snap)
            for found in mail_rows.locate_all(snap, mailbox)
        ]

    texts: dict[int, str] = {}
    for row in engine.read(USER, all_of):
        with contextlib.suppress(XtramailError):
            if row is not None:
                texts[row.object_id] = bodies.read(engine, row.body).hex()
    engine.close()
    return texts


def served_elsewhere(folder: Path) -> dict[int, str] | None:
    """As :func:`served`, in a process of its own; None when that died of the store."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(LONGEST)
            os.close(ours)
            with open(theirs, "w") as pipe:
                try:
                    json.dump({"texts": list(served(folder).items())}, pipe)
                except XtramailError as error:
                    json.dump({"texts": [], "refused": str(error)}, pipe)
            os._exit(0)
        finally:
            os._exit(70)
    os.close(theirs)
    with open(ours) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        assert os.WIFSIGNALED(status), "a bug, not a damaged page, ended it"
        return None
    return dict(json.loads(answer)["texts"])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtramail.store.verify.SILENCE", 5.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[int, str]]:
    folder = tmp_path_factory.mktemp("corruption") / "store"
    engine = LmdbEngine(folder, create=True)
    fill(engine, MESSAGES)
    engine.close()
    return (folder / "data.mdb").read_bytes(), served(folder)


def live(octets: bytes, place: Path) -> list[int]:
    """The pages that hold something, and the two where the file begins."""
    place.write_bytes(octets)
    used = {0, 1}
    with contextlib.closing(PageFile(place)) as file:
        for _ in file.rows(file.metas()[0].main, lambda lost: None, used):
            pass
    return sorted(used)


def test_a_flip_in_every_page_in_turn(tmp_path: Path, store: tuple[bytes, dict[int, str]]) -> None:
    octets, whole = store
    assert len(whole) == MESSAGES
    chance = Random(20261121)
    losses = 0
    # Kind and bounds in a page's header, its list of nodes, and anywhere. LMDB looks at nothing else there.
    for page, (begin, end) in product(live(octets, tmp_path / "whole"), ((10, 16), (16, 32), (32, PAGE_SIZE))):
        folder = tmp_path / f"page-{page}-{begin}"
        folder.mkdir(mode=0o700)
        damaged = bytearray(octets)
        damaged[page * PAGE_SIZE + chance.randrange(begin, end)] ^= 1 << chance.randrange(8)
        (folder / "data.mdb").write_bytes(damaged)

        found = served_elsewhere(folder)
        wrong = {number for number, text in (found or {}).items() if whole[number] != text}
        assert not wrong, f"page {page}: served what was never stored"
        if found is not None and len(found) == MESSAGES:
            continue
        losses += 1
        if page > 1:
            # A damaged meta page lets LMDB fall back to the commit before, which is whole in itself.
            assert not verify(folder).sound, f"page {page}: {found and len(found)} served, and verify found nothing"
        saved = tmp_path / f"saved-{page}-{begin}"
        saved.mkdir(mode=0o700)
        with contextlib.closing(PageFile(folder / "data.mdb")) as file:
            write_store(saved, rows(file, Salvaged()))
        again = served(saved)
        assert all(whole[number] == text for number, text in again.items())
        assert len(again) >= len(found or {}), f"page {page}: salvage brought back less than was served"
        assert len(again) >= MESSAGES - 4, f"page {page}: {len(again)} of {MESSAGES}"
    assert losses > 5, "flips do harm, or this shows nothing"
