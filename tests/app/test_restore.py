"""A restored installation works, and gives out nothing that was given out after its backup was made."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.app.installation import install, paths_in
from tests.store.filled import DAYS, USER, deliver
from xtramail.app.backup import backup
from xtramail.app.paths import Paths
from xtramail.app.restore import restore, settings_file
from xtramail.model.errors import BadInput, FormatMismatch, StoreBusy
from xtramail.model.outcome import Fate
from xtramail.store import bodies, keys, mailboxes, messages, outbound, schema
from xtramail.store.engine import Snapshot
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.page_file import PageFile
from xtramail.store.records import MailboxRow, encode_number
from xtramail.store.server_lock import ServerLock
from xtramail.store.user_clock import clock_of
from xtramail.store.verify import verify

NOW = 1_767_300_000.0
LATER = NOW + 86_400
LOOKS = """
import sys
from pathlib import Path
from xtramail.store.lmdb_engine import LmdbEngine
engine = LmdbEngine(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished backup."""
    paths = install(tmp_path / "home")
    engine = LmdbEngine(paths.store)
    backup(engine, paths, tmp_path / "backup", now=NOW)
    engine.close()
    return tmp_path / "backup"


def boxes(snap: Snapshot) -> list[MailboxRow]:
    return mailboxes.mailboxes(snap)


def test_a_bare_machine_gets_everything_back(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    assert paths.config is not None
    settings_file(folder, paths.config)
    done = restore(folder, paths, now=LATER)
    assert (done.made, done.kept) == ("2026-01-01T20:40:00+00:00", ())
    assert paths.config.read_text().startswith("[server]")
    assert paths.keys.read_text() == "key of passwords\n"
    assert paths.keys.stat().st_mode & 0o077 == 0
    assert (paths.certificates / "example.org.key").read_text() == "private key"
    assert (paths.certificates / "live/mail.example.org/fullchain.pem").read_text() == "chain"
    engine = LmdbEngine(paths.store)
    schema.open_format(engine)
    assert engine.read(USER, lambda snap: messages.uids(snap, messages.require(snap, 1))) == [1, 2, 3, 4, 5, 6]
    row = engine.read(USER, lambda snap: messages.message_row(snap, 1, DAYS[1], 1))
    assert row is not None and bodies.read(engine, row.body).startswith(b"Subject: 1\r\n")
    engine.close()
    assert verify(paths.store).sound
    assert sorted(place.name for place in paths.store.iterdir()) == ["data.mdb", "lock.mdb", "server.lock"]


def test_uids_given_after_the_backup_never_mean_other_messages(folder: Path, tmp_path: Path) -> None:
    old = LmdbEngine(tmp_path / "home" / "store")
    deliver(old, 7, DAYS[0])
    before = old.read(USER, boxes)
    told = old.read(USER, clock_of)
    old.close()
    paths = paths_in(tmp_path / "new")
    done = restore(folder, paths, now=LATER)
    engine = LmdbEngine(paths.store)
    after = engine.read(USER, boxes)
    clock = engine.read(USER, clock_of)
    assert done.renewed.mailboxes == len(before) == len(after) == 6
    assert [row.name for row in after] == [row.name for row in before]
    assert len({row.uidvalidity for row in after} | {row.uidvalidity for row in before}) == 12
    assert min(row.uidvalidity for row in after) > max(row.uidvalidity for row in before)
    # UIDL of POP3 has no UIDVALIDITY: the UIDs themselves must be new, too.
    assert min(row.uidnext for row in after) > max(row.uidnext for row in before)
    assert clock.modseq > told.modseq
    assert all(row.highestmodseq > told.modseq for row in after)
    deliver(engine, 8, DAYS[0])
    assert engine.read(USER, clock_of).modseq > clock.modseq
    engine.close()


def test_mailboxes_made_after_the_backup_never_mean_others(folder: Path, tmp_path: Path) -> None:
    """OBJECTID has no UIDVALIDITY either (RFC 8474 §4.1)."""

    def made(engine: LmdbEngine, name: str) -> int:
        return engine.transact(USER, lambda txn: mailboxes.create(txn, name, now=LATER)).result().id

    old = LmdbEngine(tmp_path / "home" / "store")
    lost = made(old, "Made after the backup")
    old.close()
    paths = paths_in(tmp_path / "new")
    restore(folder, paths, now=LATER)
    engine = LmdbEngine(paths.store)
    assert made(engine, "Another") > lost
    engine.close()


def test_a_clock_that_is_behind_does_not_repeat_a_uidvalidity(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    before = LmdbEngine(tmp_path / "home" / "store")
    known = {row.uidvalidity for row in before.read(USER, boxes)}
    modseq = before.read(USER, clock_of).modseq
    before.close()
    restore(folder, paths, now=1.0)
    engine = LmdbEngine(paths.store)
    assert not known & {row.uidvalidity for row in engine.read(USER, boxes)}
    assert engine.read(USER, clock_of).modseq > modseq
    engine.close()


def test_the_queue_comes_back_held_and_unconfirmed(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    done = restore(folder, paths, now=LATER)
    assert (done.renewed.entries, done.renewed.recipients) == (6, 6)
    engine = LmdbEngine(paths.store)
    entries = engine.read(keys.QUEUE, outbound.entries)
    assert len(entries) == 6
    for entry in entries:
        assert entry.held and "backup of 2026-01-01" in entry.hold_reason
        assert [recipient.fate for recipient in entry.recipients] == [Fate.UNCONFIRMED]
    assert engine.read(keys.QUEUE, lambda snap: outbound.due_destinations(snap, LATER * 2)) == []
    balance = engine.read(keys.QUEUE, outbound.balance)
    assert balance.holds and balance.fates[Fate.UNCONFIRMED] == 6
    row = engine.read(keys.QUEUE, lambda snap: outbound.ledger_of(snap, DAYS[1], 1))["ann@example.org"]
    assert (row.fate, [fate for fate, _, _ in row.history]) == (Fate.UNCONFIRMED, [Fate.HELD])
    engine.close()


def test_an_empty_installation_is_filled_and_its_own_files_are_kept_beside(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    assert paths.config is not None
    for place in (paths.keys.parent, paths.certificates):
        place.mkdir(parents=True)
    paths.config.write_text("settings of this machine")
    paths.keys.write_text("another key")
    (paths.certificates / "example.org.crt").write_text("certificate")
    engine = LmdbEngine(paths.store, create=True)
    schema.open_format(engine)
    engine.close()
    done = restore(folder, paths, now=LATER)
    assert paths.config.read_text() == "settings of this machine"
    assert paths.keys.read_text() == "key of passwords\n"
    aside = paths.keys.with_name("passwords.key.before-restore")
    assert aside.read_text() == "another key"
    assert done.kept == (aside,)


def test_a_store_that_a_server_holds_is_refused(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    paths.store.mkdir(parents=True)
    with ServerLock(paths.store), pytest.raises(StoreBusy, match="stop that server"):
        restore(folder, paths, now=LATER)


def test_a_store_with_mail_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "home")
    before = (paths.store / "data.mdb").read_bytes()
    with pytest.raises(BadInput, match="will not be overwritten"):
        restore(folder, paths, now=LATER)
    assert (paths.store / "data.mdb").read_bytes() == before


def test_a_damaged_store_is_not_overwritten_either(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    paths.store.mkdir(parents=True)
    (paths.store / "data.mdb").write_bytes(b"\xff" * 8192)
    with pytest.raises(BadInput, match="move .* away first"):
        restore(folder, paths, now=LATER)


def test_a_damaged_backup_changes_nothing(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")
    (folder / "keys/passwords.key").write_text("forged")
    with pytest.raises(BadInput, match=r"passwords.key has changed"):
        restore(folder, paths, now=LATER)
    assert not paths.keys.exists() and not (paths.store / "data.mdb").exists()


def test_a_restore_that_was_cut_short_runs_again(folder: Path, tmp_path: Path) -> None:
    paths = paths_in(tmp_path / "new")

    def cut(text: str) -> None:
        if text.startswith("making the store ready"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(folder, paths, now=LATER, progress=cut)
    assert not (paths.store / "data.mdb").exists()
    assert restore(folder, paths, now=LATER).renewed.mailboxes == 6


def test_the_store_comes_last_so_that_a_restore_that_could_not_write_the_rest_runs_again(
    folder: Path, tmp_path: Path
) -> None:
    paths = paths_in(tmp_path / "new")
    paths.keys.parent.parent.mkdir(parents=True)
    paths.keys.parent.write_text("a file where the folder of keys should be")
    with pytest.raises(OSError, match="keys"):
        restore(folder, paths, now=LATER)
    assert not (paths.store / "data.mdb").exists()
    paths.keys.parent.unlink()
    assert restore(folder, paths, now=LATER).renewed.mailboxes == 6
    assert paths.keys.exists()


def test_a_command_that_looks_at_the_store_before_is_no_part_of_the_one_that_comes(
    folder: Path, tmp_path: Path
) -> None:
    """LMDB's lock file says which commit is the newest, as long as anybody has it open."""
    paths = paths_in(tmp_path / "new")
    engine = LmdbEngine(paths.store, create=True)
    schema.open_format(engine)
    engine.close()
    with subprocess.Popen(
        [sys.executable, "-c", LOOKS, str(paths.store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as looking:
        assert looking.stdout is not None and looking.stdout.readline() == "open\n"
        restore(folder, paths, now=LATER)
        after = LmdbEngine(paths.store)
        assert after.newest_commit() == pages_of(paths.store)
        after.close()
        looking.kill()


def pages_of(store: Path) -> int:
    """The newest commit by the file itself."""
    with closing(PageFile(store / "data.mdb")) as file:
        return file.metas()[0].transaction


def test_a_backup_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    paths = install(tmp_path / "home")
    engine = LmdbEngine(paths.store)
    number = encode_number(keys.FORMAT + 1)
    engine.transact(keys.STORE, lambda txn: txn.put(0, keys.FORMAT_NUMBER, number)).result()
    backup(engine, paths, tmp_path / "backup", now=NOW)
    engine.close()
    target = paths_in(tmp_path / "new")
    with pytest.raises(FormatMismatch, match="newer"):
        restore(tmp_path / "backup", target, now=LATER)
    assert not (target.store / "data.mdb").exists()


def test_a_settings_file_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "xtramail.toml"
    place.write_text("mine")
    with pytest.raises(BadInput, match="will not be replaced"):
        settings_file(folder, place)
    assert place.read_text() == "mine"


def test_a_backup_without_settings_says_what_to_do(tmp_path: Path) -> None:
    paths = install(tmp_path / "home")
    engine = LmdbEngine(paths.store)
    bare = Paths(store=paths.store, certificates=paths.certificates, keys=paths.keys, config=None)
    backup(engine, bare, tmp_path / "backup", now=NOW)
    engine.close()
    with pytest.raises(BadInput, match="--store DIR"):
        settings_file(tmp_path / "backup", tmp_path / "new.toml")
