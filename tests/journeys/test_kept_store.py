"""A real server on a store that was kept: its users log in, read what was there, and get new mail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fixtures.life import KEY_FILE, PASSWORD
from tests.journeys.conftest import Install
from tests.journeys.harness import eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.source_tree import ROOT
from xtramail.store.filesystem import DATA_FILE

KEPT = sorted((ROOT / "tests" / "fixtures").glob("format-*"))
ANN, RAY = "ann@local.example", "ray@relay.example"


@pytest.mark.parametrize("kept", KEPT, ids=lambda folder: folder.name)
def test_a_server_serves_a_kept_store(kept: Path, install: Install, primary: ScriptedPrimary) -> None:
    server = install()
    shutil.copy(kept / DATA_FILE, server.folder / "store" / DATA_FILE)
    (server.folder / "store" / "lock.mdb").unlink(missing_ok=True)
    shutil.copy(kept / KEY_FILE, server.folder / "keys" / KEY_FILE)
    server.command("store", "upgrade", "--no-backup")
    for name in ("relay.example", "ask.example", "any.example", "office.example"):
        server.command("domain", "set", name, f"primary={primary.host}")
    for name in ("local.example", "relay.example"):
        # Its mail is as old as this file, and is to be there whenever this is run.
        server.command("domain", "set", name, "retention-days=3650")
    server.users = {ANN: PASSWORD}
    server.start()
    with server.imap(ANN) as client:
        before = fetched(client)
        assert len(before) == 4 and b"<mixed@sender.example>" in before[0]
        assert client.select("Recovered", readonly=True)[1] == [b"1"]
    server.send(mail("new"), ANN)
    with server.imap(ANN) as client:
        assert len(fetched(client)) == 5
    server.send(mail("onward"), RAY)
    server.command("domain", "release", "relay.example")
    eventually(lambda: b"<onward@" in b"".join(one.octets for one in primary.messages), what="handed on")
    assert server.command("verify")["findings"] == []
    assert server.command("audit", "verify")["whole"]
