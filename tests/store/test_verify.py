"""What ``verify`` finds in a damaged store, and that it finds nothing in a sound one."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from msgspec.structs import replace

from tests.store.filled import DAYS, USER, fill
from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.model.errors import StoreFault
from xtramail.store import checksum, keys, messages, outbound, queue_keys
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.page_file import BRANCH, LEAF, PAGE_SIZE, PageFile
from xtramail.store.records import Counters, FateCounts, encode, encode_counters, encode_number
from xtramail.store.rows import physical
from xtramail.store.verify import Report, verify
from xtramail.store.verify_walk import Walk

INBOX = 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    engine = LmdbEngine(tmp_path / "store", create=True)
    fill(engine)
    engine.close()
    return tmp_path / "store"


def damage(folder: Path, change: Callable[[lmdb.Transaction[bytes]], None]) -> None:
    with lmdb.open(str(folder), map_size=1 << 30) as env, env.begin(write=True) as txn:
        change(txn)


def lose(folder: Path, bucket: Bucket, scope: bytes, key: bytes) -> None:
    def change(txn: lmdb.Transaction[bytes]) -> None:
        assert txn.delete(physical(bucket, scope, key))

    damage(folder, change)


def overwrite(folder: Path, bucket: Bucket, scope: bytes, key: bytes, value: bytes) -> None:
    full = physical(bucket, scope, key)
    damage(folder, lambda txn: txn.put(full, checksum.seal(full, value)) and None)


def flip(folder: Path, bucket: Bucket, scope: bytes, key: bytes) -> None:
    full = physical(bucket, scope, key)

    def change(txn: lmdb.Transaction[bytes]) -> None:
        sealed = txn.get(full)
        assert sealed is not None
        txn.put(full, sealed[:-6] + bytes([sealed[-6] ^ 4]) + sealed[-5:])

    damage(folder, change)


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def texts(report: Report) -> str:
    return "\n".join(finding.text for finding in report.findings)


def test_a_sound_store_has_no_findings_and_is_counted(folder: Path) -> None:
    seen: list[int] = []
    report = verify(folder, lambda so_far: seen.append(so_far.rows))
    assert report.findings == []
    assert report.sound
    assert (report.messages, report.buckets) == (6, 2)
    assert (report.oldest_day, report.newest_day) == ("2025-12-30", "2025-12-31")
    assert report.octets > 1_000 and report.rows == seen[-1] > 50


def test_a_store_at_work_is_verified_too(folder: Path) -> None:
    engine = LmdbEngine(folder)
    assert verify(folder).sound
    engine.transact(USER, lambda txn: messages.expunge(txn, INBOX, [1, 2], "ann", 1e9, False)).result()
    assert verify(folder).sound
    engine.drop_bucket(DAYS[0], 1).result()
    report = verify(folder)
    assert [kind for kind in kinds(report) if kind != "body"] == []
    engine.close()


@pytest.mark.parametrize(
    ("scope", "key"),
    [(keys.BODY, keys.body_chunk(1, 1)), (USER, keys.message(INBOX, 1)), (USER, keys.flags(INBOX, 1))],
)
def test_a_flipped_bit_is_named_with_its_row(folder: Path, scope: bytes, key: bytes) -> None:
    flip(folder, DAYS[1], scope, key)
    report = verify(folder)
    assert "checksum" in kinds(report)
    assert f"bucket {DAYS[1]}" in texts(report)
    assert key[1:].hex() in texts(report)
    assert report.rows > 50


def test_a_lost_body_chunk_is_named_with_its_message_and_queue_entry(folder: Path) -> None:
    lose(folder, DAYS[1], keys.BODY, keys.body_chunk(1, 2))
    report = verify(folder)
    assert kinds(report) == {"body"}
    assert "message 1: 1 of 3 body chunks" in texts(report)
    assert "queue entry 1 for example.org: 1 of 3 body chunks" in texts(report)


def test_a_lost_message_row_is_named(folder: Path) -> None:
    lose(folder, DAYS[1], USER, keys.message(INBOX, 3))
    report = verify(folder)
    assert kinds(report) == {"message"}
    assert "account 1, mailbox 1" in texts(report) and "message 3" in texts(report)


def deleted(folder: Path) -> None:
    """Messages 1 and 2 of INBOX are in Recovered."""
    engine = LmdbEngine(folder)
    engine.transact(USER, lambda txn: messages.expunge(txn, INBOX, [1, 2], "ann", 1e9, False)).result()
    engine.close()


def test_deleted_mail_is_sound_and_no_longer_counted(folder: Path) -> None:
    deleted(folder)
    report = verify(folder)
    assert report.findings == []
    assert report.messages == 4


def test_deleted_mail_that_could_not_be_had_back_is_named(folder: Path) -> None:
    deleted(folder)
    lose(folder, DAYS[1], USER, keys.message(INBOX, 1))
    lose(folder, DAYS[0], keys.BODY, keys.body_chunk(2, 1))
    report = verify(folder)
    assert kinds(report) == {"message", "body"}
    assert "mailbox 0, bucket" in texts(report)
    assert "message 2: 1 of 3 body chunks" in texts(report)


def test_deleted_mail_of_which_nobody_knows_where_it_was_is_named(folder: Path) -> None:
    deleted(folder)
    lose(folder, DAYS[1], USER, keys.recoverable(1))
    lose(folder, DAYS[0], USER, keys.flags(keys.RECOVERED, 2))
    report = verify(folder)
    assert "recovered" in kinds(report)
    assert "message 1: where it lay is missing" in texts(report)
    assert "message 2: its flags are missing" in texts(report)


def test_a_place_from_which_nothing_deleted_can_be_found_is_named(folder: Path) -> None:
    deleted(folder)
    overwrite(folder, DAYS[1], USER, keys.recovered_place(INBOX, 1), encode_number(2))
    report = verify(folder)
    assert kinds(report) == {"recovered"}
    assert f"message 1 of mailbox {INBOX} lies there, it is said, and does not" in texts(report)


def test_a_lost_flag_row_shows_in_the_counters(folder: Path) -> None:
    lose(folder, DAYS[1], USER, keys.flags(INBOX, 3))
    assert "messages counted as 3, found 2" in texts(verify(folder))


def test_wrong_counters_are_told_from_what_was_found(folder: Path) -> None:
    wrong = Counters(messages=3, unseen=1, deleted=2, bytes=5, modseq=1)
    overwrite(folder, DAYS[1], USER, keys.counters(INBOX), encode_counters(wrong))
    report = verify(folder)
    assert kinds(report) == {"counters", "usage"}
    assert "unseen counted as 1, found 3" in texts(report)
    assert "deleted counted as 2, found 0" in texts(report)
    assert "octets counted as 5, found 210000" in texts(report)
    assert "newer MODSEQ" in texts(report)


def test_a_mailbox_that_forgot_a_bucket_is_noticed(folder: Path) -> None:
    engine = LmdbEngine(folder)
    row = engine.read(USER, lambda snap: messages.require(snap, INBOX))
    engine.close()
    changed = type(row)(row.id, row.name, row.uidvalidity, 3, row.highestmodseq, 1, "", row.buckets[:1])
    overwrite(folder, PERMANENT, USER, keys.mailbox(INBOX), encode(changed))
    report = verify(folder)
    assert kinds(report) == {"uids", "usage"}
    assert "UIDNEXT is 3" in texts(report) and "does not name this bucket" in texts(report)


def test_a_mailbox_that_knows_fewer_uids_of_a_bucket_than_lie_there_is_noticed(folder: Path) -> None:
    engine = LmdbEngine(folder)
    row = engine.read(USER, lambda snap: messages.require(snap, INBOX))
    engine.close()
    ranges = tuple((bucket, low + 2, high) for bucket, low, high in row.buckets)
    overwrite(folder, PERMANENT, USER, keys.mailbox(INBOX), encode(replace(row, buckets=ranges)))
    report = verify(folder)
    assert kinds(report) == {"uids"}
    assert texts(report).count("messages outside of UIDs") == 2


def test_a_mailbox_that_its_name_does_not_lead_to_is_named(folder: Path) -> None:
    lose(folder, PERMANENT, USER, keys.mailbox_name("INBOX"))
    assert f"account 1, mailbox {INBOX}: it cannot be found by its name" in texts(verify(folder))


def test_a_bucket_that_vanished_is_noticed_by_who_names_it(folder: Path) -> None:
    def change(txn: lmdb.Transaction[bytes]) -> None:
        cursor = txn.cursor()
        prefix = DAYS[0].to_bytes(4, "big")
        while cursor.set_range(prefix) and cursor.key().startswith(prefix):
            cursor.delete()

    damage(folder, change)
    report = verify(folder)
    assert kinds(report) == {"counters", "body", "usage"}
    assert report.oldest_day == "2025-12-31"


def test_a_queue_entry_without_its_indexes_is_named(folder: Path) -> None:
    engine = LmdbEngine(folder)
    entry = engine.read(keys.QUEUE, lambda snap: outbound.find(snap, 2))
    engine.close()
    assert entry is not None
    lose(folder, PERMANENT, keys.QUEUE, queue_keys.due(entry.destination, entry.due, 2))
    lose(folder, PERMANENT, keys.QUEUE, queue_keys.by_destination(entry.destination, entry.arrival, 2))
    lose(folder, PERMANENT, keys.QUEUE, queue_keys.entry(3))
    report = verify(folder)
    assert kinds(report) == {"queue"}
    assert "queue entry 2 for example.org: it has no due time" in texts(report)
    assert "queue entry 2 for example.org: not in the order" in texts(report)
    assert "an index names queue entry 3, which does not exist" in texts(report)


def test_a_held_queue_entry_that_is_due_all_the_same_is_named(folder: Path) -> None:
    engine = LmdbEngine(folder)
    entry = engine.read(keys.QUEUE, lambda snap: outbound.find(snap, 2))
    engine.close()
    assert entry is not None
    overwrite(folder, PERMANENT, keys.QUEUE, queue_keys.entry(2), encode(replace(entry, held=True)))
    report = verify(folder)
    assert texts(report) == "queue entry 2 for example.org: it is held and has a due time"


def test_a_reader_of_which_nothing_is_heard_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtramail.store.verify.SILENCE", 2.0)
    monkeypatch.setattr("xtramail.store.verify.MAX_DEATHS", 1)
    with (folder / "lock.mdb").open("r+b") as lock:
        # Whoever opens the store waits for this.
        fcntl.lockf(lock, fcntl.LOCK_EX)
        at_last = threading.Timer(60, fcntl.lockf, (lock.fileno(), fcntl.LOCK_UN))
        at_last.start()
        report = verify(folder)
        at_last.cancel()
    assert "killed the reader (SIGKILL)" in texts(report)


def test_a_ledger_that_does_not_balance_is_told(folder: Path) -> None:
    counts = FateCounts(accepted=9, fates={"held": 3})
    overwrite(folder, DAYS[0], keys.QUEUE, queue_keys.FATE_COUNTS, encode(counts))
    report = verify(folder)
    assert kinds(report) == {"ledger"}
    assert "9 accepted" in texts(report)


def test_a_torn_page_ends_the_reader_and_not_the_report(folder: Path) -> None:
    """Pages of the tree are overwritten: whatever that does to the reader, somebody says so."""
    path = folder / "data.mdb"
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(4, size // 4096, 2):
            file.seek(page * 4096)
            head = file.read(16)
            # Leaf and branch pages only (mp_flags 1 and 2): a body's overflow pages have their checksum.
            if head[10] & 3:
                file.seek(page * 4096 + 10)
                file.write(b"\xff" * 64)
    report = verify(folder)
    assert not report.sound
    assert kinds(report) & {"page", "checksum", "key"}


def lay_apart(folder: Path, key: bytes, *, length: int, page: int) -> None:
    """A row's value is said to have that length and to begin on that page."""
    path = folder / "data.mdb"
    octets = bytearray(path.read_bytes())
    for meta in (0, 1):
        # The last page in use (mdb.c, MDB_meta): LMDB goes by it, and not by the file's length.
        octets[meta * PAGE_SIZE + 136 : meta * PAGE_SIZE + 144] = struct.pack("<Q", 100_000)
    # A node: its value's length (4), flags (2), the key's length (2), the key, and the page of a value that lies apart.
    node = struct.pack("<HH", 0, len(key)) + key
    at = octets.find(node)
    while at >= 0:
        if octets[at // PAGE_SIZE * PAGE_SIZE + 10] == LEAF:
            octets[at - 4 : at + 2] = struct.pack("<IH", length, 1)
            octets[at + len(node) : at + len(node) + 8] = struct.pack("<Q", page)
        at = octets.find(node, at + 1)
    path.write_bytes(octets)


def cut_off(folder: Path, key: bytes) -> None:
    """A row's value is said to lie behind the end of the file: whoever reads it dies."""
    lay_apart(folder, key, length=5_000, page=90_000)


def test_behind_a_bucket_that_kills_the_reader_all_is_looked_at(folder: Path) -> None:
    flip(folder, DAYS[1], USER, keys.flags(INBOX, 1))
    cut_off(folder, physical(DAYS[0], USER, keys.flags(INBOX, 2)))
    report = verify(folder)
    row = physical(DAYS[0], USER, keys.counters(INBOX)).hex()
    assert [finding.text.partition(":")[0] for finding in report.findings if finding.kind == "page"] == [
        f"bucket {DAYS[0]}, after row {row}00", "account 1"
    ]  # fmt: skip
    assert texts(report).count("killed the reader") == 2
    assert f"bucket {DAYS[1]}, row f" in texts(report), "checksum of what lies behind it"


def test_a_reader_that_asks_for_too_much_memory_ends_and_it_is_said_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 64 << 20
    size = (folder / "data.mdb").stat().st_size
    lay_apart(folder, physical(DAYS[0], USER, keys.flags(INBOX, 2)), length=most, page=size // PAGE_SIZE)
    with (folder / "data.mdb").open("r+b") as file:
        file.truncate(size + 2 * most)
    assert kinds(verify(folder)) >= {"checksum"}, "there is as much memory as it asks for"
    monkeypatch.setattr("xtramail.store.verify.MEMORY", most)
    report = verify(folder)
    row = physical(DAYS[0], USER, keys.counters(INBOX)).hex()
    wanted = "the reader gave up: a damaged page asks for more than 64 MiB of memory"
    assert f"bucket {DAYS[0]}, after row {row}00: {wanted}" in texts(report)
    assert "killed the reader" not in texts(report)


def test_a_reader_that_dies_in_the_middle_of_a_word_is_a_finding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies = tmp_path / "dies"
    dies.write_text("""#!/bin/sh\nprintf '{"walked": true}\\n{"ro'\nkill -9 $$\n""")
    dies.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(dies))
    report = verify(folder)
    assert "killed the reader (SIGKILL)" in texts(report) and report.rows == 0


def test_a_row_that_was_being_written_over_is_looked_at_again(folder: Path) -> None:
    class Stale(LmdbEngine):
        """Shows in its long steps what the rows were a moment ago, with checksums of what they are."""

        def stored_rows(self, low: bytes, limit: int, octets: int = 8 << 20) -> list[tuple[bytes, bytes]]:
            rows = super().stored_rows(low, limit, octets)
            return rows if limit == 1 else [(key, bytes([value[0] ^ 1]) + value[1:]) for key, value in rows]

    engine = Stale(folder)
    told: list[dict[str, object]] = []
    Walk(engine, told.append).run(PERMANENT)
    engine.close()
    assert sum(1 for one in told if "rows" in one) > 0
    assert [one for one in told if one.get("finding") == "checksum"] == []


def test_a_branch_that_leads_back_is_no_way_to_go_on(folder: Path) -> None:
    path = folder / "data.mdb"
    with contextlib.closing(PageFile(path)) as file:
        root = file.metas()[0].main.root
    assert root is not None
    octets = bytearray(path.read_bytes())
    begin = root * PAGE_SIZE
    _, flags, lower = struct.unpack_from("<8sxxHH", octets, begin)
    assert flags == BRANCH
    nodes = struct.unpack_from(f"<{(lower - 16) // 2}H", octets, begin + 16)
    # The first six octets of a node say which page is below it (mdb.c).
    first, last = begin + nodes[0], begin + nodes[-1]
    octets[last : last + 6] = octets[first : first + 6]
    path.write_bytes(octets)
    engine = LmdbEngine(folder)
    with pytest.raises(StoreFault, match="out of order"):
        engine.stored_rows(b"", 1_000_000, 1 << 40)
    engine.close()
    assert "page" in kinds(verify(folder))
