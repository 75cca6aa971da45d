"""Bringing mail: each message once, within the quota, by whom may, and for the days of the domain."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.desks import domain_admin, user
from tests.mailbox.transfer.boxes import ANN, BOB, NOON, PLAIN, Boxes, Letter, told
from xtramail.directory.desk import Desk
from xtramail.directory.domains import parse_change, set_domain
from xtramail.mailbox.transfer.importing import BATCH, import_mail
from xtramail.mailbox.transfer.opening import open_source
from xtramail.mailbox.transfer.outcome import Imported, Terms
from xtramail.model.actor import Actor, Role
from xtramail.model.bucket import bucket_day
from xtramail.model.clock import day_of
from xtramail.model.errors import BadInput, NoSuchAccount, NotPermitted
from xtramail.model.pending import drive
from xtramail.store import accounts, audit, keys, mailboxes, messages, outbound, verify_checks
from xtramail.store.engine import Txn
from xtramail.store.memory_engine import MemoryEngine
from xtramail.store.records import AuditRow

LINE = b"From zoe@sender.example Thu Jan  1 12:00:00 2026\n"


def mbox(folder: Path, count: int, name: str = "Work.mbox") -> Path:
    text = PLAIN.replace(b"\r\n", b"\n")
    (folder / name).write_bytes(b"".join(LINE + text + b"%d\n\n" % number for number in range(count)))
    return folder / name


def rows(boxes: Boxes) -> list[AuditRow]:
    return [row for _, row in boxes.engine.read(keys.AUDIT, lambda snap: list(audit.newest(snap)))]


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 5)
    assert boxes.bring(file).messages == 5
    before, commits = boxes.held(BOB), boxes.engine.read(keys.STORE, lambda snap: snap.commit_number())
    again = boxes.bring(file)
    assert (again.messages, again.already) == (0, 5)
    assert boxes.held(BOB) == before
    assert boxes.engine.read(keys.STORE, lambda snap: snap.commit_number()) == commits
    assert mbox(tmp_path, 7) == file
    grown = boxes.bring(file)
    assert (grown.messages, grown.already) == (2, 5)


def test_what_its_user_deleted_or_moved_does_not_come_back(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 3)
    boxes.bring(file)

    def tidy(txn: Txn) -> None:
        work, archive = (mailboxes.mailbox_by_name(txn, name) for name in ("Work", "Archive"))
        assert work is not None and archive is not None
        messages.move(txn, work.id, archive.id, [1], NOON)
        messages.expunge(txn, work.id, None, "bob", NOON, False)

    boxes.engine.transact(keys.user_scope(boxes.account(BOB).id), tidy).result()
    boxes.bring(file)
    assert {name: len(some) for name, some in boxes.full(BOB).items() if name != "Archive"} == {}


def test_a_full_quota_ends_it_with_what_fits_and_more_room_goes_on(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, BATCH + 20)
    account = boxes.account(BOB)
    scope = keys.user_scope(account.id)
    room = 70 * len(PLAIN) + 10 * 3 + 60 * 4
    boxes.engine.transact(scope, lambda txn: accounts.put_account(txn, replace(account, quota=room + 5))).result()
    result = boxes.bring(file)
    assert result.messages == 70
    assert "the quota is full; raise it (xtramail user set bob@office.example quota=SIZE)" in result.stopped
    boxes.engine.transact(scope, lambda txn: accounts.put_account(txn, replace(account, quota=0))).result()
    assert boxes.bring(file).messages == BATCH + 20 - result.messages
    assert len(boxes.full(BOB)["Work"]) == BATCH + 20


def test_a_large_message_leaves_nothing_where_the_quota_has_no_room(tmp_path: Path) -> None:
    boxes = Boxes()
    account = boxes.account(BOB)
    scope = keys.user_scope(account.id)
    boxes.engine.transact(scope, lambda txn: accounts.put_account(txn, replace(account, quota=100_000))).result()
    file = mbox(tmp_path, 2)
    with file.open("ab") as more:
        more.write(LINE + b"Subject: large\n\n" + b"x" * 2_000_000 + b"\n\n")
    result = boxes.bring(file)
    assert result.messages == 2 and result.stopped.startswith("the quota is full")
    assert stored_octets(boxes) < 1_000


def stored_octets(boxes: Boxes) -> int:
    """Of bodies, linked or not."""
    (bucket,) = boxes.engine.buckets()
    low, high = b"b", keys.after(b"b")
    stored = boxes.engine.read(keys.BODY, lambda snap: snap.range(bucket, low, high))
    return sum(len(value) for _, value in stored)


def test_the_quota_of_a_domain_ends_it_as_well(tmp_path: Path) -> None:
    boxes = Boxes()
    drive(set_domain(boxes.desk, "office.example", [parse_change("quota", "300")]))
    result = boxes.bring(mbox(tmp_path, 5))
    assert (result.messages, result.made) == (0, ["Work"])
    said = "the quota of domain office.example is full; raise it (xtramail domain set office.example quota=SIZE)"
    assert result.stopped == said


def test_it_stays_within_the_quota_of_a_domain_however_fast_it_is(tmp_path: Path) -> None:
    """The clock stands still: the domain's sum is made once."""
    boxes = Boxes()
    quota = int(2.5 * BATCH * len(PLAIN))
    drive(set_domain(boxes.desk, "office.example", [parse_change("quota", str(quota))]))
    result = boxes.bring(mbox(tmp_path, 5 * BATCH))
    assert result.messages == 2 * BATCH and "the quota of domain office.example is full" in result.stopped
    assert sum(len(one.octets) for one in boxes.full(BOB)["Work"]) <= quota


def test_a_large_message_leaves_nothing_where_the_domain_has_no_room(tmp_path: Path) -> None:
    boxes = Boxes()
    drive(set_domain(boxes.desk, "office.example", [parse_change("quota", "100000")]))
    file = mbox(tmp_path, 2)
    with file.open("ab") as more:
        more.write(LINE + b"Subject: large\n\n" + b"x" * 2_000_000 + b"\n\n")
    result = boxes.bring(file)
    assert result.messages == 2 and "the quota of domain office.example is full" in result.stopped
    assert stored_octets(boxes) < 1_000


def test_a_store_that_is_full_or_nearly_ends_it_and_says_so(tmp_path: Path) -> None:
    boxes = Boxes(MemoryEngine(capacity=60_000))
    result = boxes.bring(mbox(tmp_path, 500), terms=Terms(octets=1_000))
    assert result.stopped.startswith(("the store is full", "the disk has no more free room than"))
    assert 0 <= result.messages < 500
    roomy = Boxes(MemoryEngine(capacity=200_000))
    result = roomy.bring(mbox(tmp_path, 500), terms=Terms(octets=1_000, reserve_percent=50))
    assert result.stopped == "the disk has no more free room than the server keeps in reserve; make some"
    assert 0 < result.messages < 500


def test_it_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 200)
    asked = iter(range(1000))
    seen: list[int] = []

    def progress(so_far: Imported) -> None:
        seen.append(so_far.read)

    source = open_source(file, None)
    result = drive(
        import_mail(boxes.desk, BOB, source, Terms(), progress=progress, stop=lambda: next(asked) > 150)
    )
    assert (result.messages, result.stopped) == (150, "it was interrupted")
    assert seen == sorted(seen) and len(seen) >= 3
    assert boxes.bring(file).messages == 50


def test_a_dry_run_tells_and_does_nothing(tmp_path: Path) -> None:
    boxes = Boxes()
    before = boxes.held(BOB)
    result = boxes.bring(mbox(tmp_path, 5), terms=Terms(dry_run=True))
    assert (result.mailboxes, result.made) == ({"Work": 5}, ["Work"])
    assert boxes.held(BOB) == before
    assert rows(boxes)[0].what != "mail import"


def test_old_mail_lives_its_days_from_today_on(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.bring(mbox(tmp_path, 1))
    (bucket,) = boxes.engine.buckets()
    assert bucket_day(bucket) == day_of(boxes.clock.now()) > day_of(NOON)
    assert boxes.full(BOB)["Work"][0].received_at == NOON


def test_mail_from_before_a_moment_is_passed_over(tmp_path: Path) -> None:
    boxes = Boxes()
    result = boxes.bring(mbox(tmp_path, 3), terms=Terms(since=NOON + 1))
    assert (result.messages, result.older) == (0, 3)
    assert boxes.bring(mbox(tmp_path, 3), terms=Terms(since=NOON)).messages == 3


def test_nothing_of_it_is_relayed_or_entered_into_the_ledger(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.bring(mbox(tmp_path, 3))
    assert boxes.engine.read(keys.QUEUE, outbound.entries) == []
    assert boxes.engine.read(keys.QUEUE, outbound.balance).holds
    scope = keys.user_scope(boxes.account(BOB).id)
    for bucket in boxes.engine.buckets():
        check = boxes.engine.read(scope, lambda snap, one=bucket: verify_checks.check_mail(snap, "bob", one))  # type: ignore[misc]
        assert check.findings == []
    assert boxes.engine.read(scope, lambda snap: verify_checks.check_user(snap, "bob")) == []


def test_a_named_mailbox_stands_for_inbox(tmp_path: Path) -> None:
    boxes = Boxes()
    boxes.bring(mbox(tmp_path, 1), terms=Terms(into="Old"))
    folder = tmp_path / "mail"
    for name in ("INBOX.mbox", "Work.mbox"):
        folder.mkdir(exist_ok=True)
        mbox(folder, 2, name)
    boxes.bring(folder, terms=Terms(into="Old"))
    assert {name: len(some) for name, some in boxes.full(BOB).items()} == {"Old": 2, "Old/Work": 2}


@pytest.mark.parametrize("name", ["Recovered", "Recovered/x", "a//b", "x" * 2000, "a\nb"])
def test_mailboxes_that_cannot_be_are_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    boxes = Boxes()
    with pytest.raises(BadInput, match="choose another name"):
        boxes.bring(mbox(tmp_path, 1), terms=Terms(into=name))


def test_too_large_messages_are_named(tmp_path: Path) -> None:
    boxes = Boxes()
    result = boxes.bring(mbox(tmp_path, 2), terms=Terms(octets=10))
    assert result.refused == 2
    assert told(result)[0].endswith("octets, and max-message-size is 10")


def test_more_keywords_than_a_mailbox_may_have_cost_no_mail(tmp_path: Path) -> None:
    words = [b"w%d" % number for number in range(70)] + [b"bad(word", b"\\Seen", b"x" * 200]
    (tmp_path / "Work.mbox").write_bytes(
        b"".join(
            LINE + b"X-Keywords: " + word + b"\n" + PLAIN.replace(b"\r\n", b"\n") + word + b"\n\n" for word in words
        )
    )
    boxes = Boxes()
    assert told(boxes.bring(tmp_path / "Work.mbox")) == []
    found = boxes.full(BOB)["Work"]
    assert len(found) == 73 and sum(bool(one.keywords) for one in found) == 64


def test_one_row_of_the_audit_log_tells_what_was_brought(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 3)
    boxes.bring(file)
    row = rows(boxes)[0]
    assert (row.what, row.object, row.domain, row.actor) == (
        "mail import",
        "bob@office.example",
        "office.example",
        "olga",
    )
    assert row.after is not None
    assert (row.after["from"], row.after["messages"], row.after["format"]) == (str(file), 3, "mbox")
    boxes.bring(file)
    assert rows(boxes)[0] == row


def test_who_is_killed_half_way_has_left_a_row_before_the_first_message(tmp_path: Path) -> None:
    boxes = Boxes()
    seen: list[list[str]] = []

    def killed(*_args: object) -> None:
        seen.append([row.what for row in rows(boxes)[:1]])
        raise KeyboardInterrupt

    source = open_source(mbox(tmp_path, 3), None)
    with pytest.raises(KeyboardInterrupt):
        drive(import_mail(boxes.desk, BOB, source, Terms(), progress=killed))
    assert seen == [["mail import begin"]]
    assert (rows(boxes)[0].object, rows(boxes)[0].after) == (BOB.key, {"from": str(source.path), "format": "mbox"})


def test_users_bring_and_take_their_own_mail_alone(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 2)
    own = user(boxes.engine, boxes.clock, BOB.key)
    assert drive(import_mail(own, BOB, open_source(file, None), Terms())).messages == 2
    admin = domain_admin(boxes.engine, boxes.clock, "office.example")
    assert drive(import_mail(admin, ANN, open_source(file, None), Terms())).messages == 2
    for stranger in (
        user(boxes.engine, boxes.clock, ANN.key),
        domain_admin(boxes.engine, boxes.clock, "other.example"),
    ):
        with pytest.raises(NoSuchAccount):
            drive(import_mail(stranger, BOB, open_source(file, None), Terms()))
    reader = Desk(boxes.engine, Actor(role=Role.OPERATOR, name="rita", how="token", read_only=True), boxes.clock)
    with pytest.raises(NotPermitted):
        drive(import_mail(reader, BOB, open_source(file, None), Terms()))
    assert len(boxes.full(BOB)["Work"]) == 2


def test_files_that_cannot_be_read_are_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="name a file or folder that the store's owner may read"):
        open_source(tmp_path / "nowhere", None)
    (tmp_path / "text").write_bytes(b"just some words\n")
    with pytest.raises(BadInput, match="name what it is with --format"):
        open_source(tmp_path / "text", None)
    with pytest.raises(BadInput, match="a Maildir is a folder"):
        open_source(tmp_path / "text", "maildir")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="name what it is with --format"):
        open_source(tmp_path / "empty", None)


def test_two_imports_at_once_bring_each_message_once(tmp_path: Path) -> None:
    boxes = Boxes()
    file = mbox(tmp_path, 10)
    other: list[Imported] = []
    asked = iter(range(1000))

    def stop() -> bool:
        # The first has read nine messages and found none of them there; it looks again in its commit.
        if next(asked) < 10:
            return False
        boxes.clock.advance(1.0)
        other.append(drive(import_mail(boxes.desk, BOB, open_source(file, None), Terms())))
        return True

    first = drive(import_mail(boxes.desk, BOB, open_source(file, None), Terms(), stop=stop))
    assert (other[0].messages, first.messages, first.already) == (10, 0, 9)
    assert boxes.full(BOB)["Work"] == [Letter(PLAIN + b"%d\r\n" % number, NOON) for number in range(10)]
