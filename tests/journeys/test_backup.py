"""A backup made while the server runs, and what a bare machine makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, Refused, after_return_path, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


def uids(server: Installation, user: str) -> tuple[int, list[int]]:
    """UIDVALIDITY of INBOX and the UIDs in it."""
    with server.imap(user) as client:
        _, status = client.status("INBOX", "(UIDVALIDITY)")
        client.select("INBOX", readonly=True)
        _, found = client.uid("SEARCH", "ALL")
    validity = re.search(rb"UIDVALIDITY (\d+)", status[0])
    assert validity is not None
    return int(validity.group(1)), [int(one) for one in found[0].split()]


def test_a_restored_server_reuses_no_uid_and_holds_its_queue(
    office: Installation, primary: ScriptedPrimary, tmp_path: Path
) -> None:
    office.send(mail("delivered"), ANN)
    office.waits_for_nothing()
    primary.refuse()
    office.send(mail("waiting"), BEN)
    folder = tmp_path / "backup"
    office.command("backup", str(folder))
    # Life goes on after the backup: this UID is given, and is not in the backup.
    office.send(mail("after"), ANN)
    old_validity, old = uids(office, ANN)
    assert len(old) == 2
    with pytest.raises(Refused, match="server"):
        office.command("restore", str(folder))
    office.stop()

    bare = Installation(tmp_path / "bare")
    bare.users = dict(office.users)
    bare.folder.mkdir()
    bare.command("restore", str(folder))
    assert bare.command("verify")["findings"] == []
    bare.start()
    primary.accept()
    with bare.imap(ANN) as client:
        (stored,) = fetched(client)
    assert b"<delivered@" in stored
    bare.send(mail("new"), ANN)
    validity, found = uids(bare, ANN)
    assert validity != old_validity or not set(found[1:]) & set(old), "no UID means another message now"
    (held,) = [one for one in bare.queue() if BEN in one["to"]]
    assert held["state"] == "held"
    assert bare.balance()["unconfirmed"] == 1
    assert primary.copies("waiting") == []
    began = bare.log_end()
    bare.command("queue", "retry", held["id"])
    bare.told("recipient-delivered", since=began, id=held["message"])
    with bare.imap(BEN) as client:
        (copy,) = fetched(client)
    (given,) = primary.copies("waiting")
    assert given.octets == after_return_path(copy)
    bare.close()


def test_a_backup_is_private_and_never_overwrites(office: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    office.command("backup", str(folder))
    open_to_others = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_to_others == []
    with pytest.raises(Refused):
        office.command("backup", str(folder))
    assert office.command("domain", "show", DOMAIN)["name"] == DOMAIN
