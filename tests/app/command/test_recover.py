"""What a user deleted, put back and destroyed from the command line."""

from __future__ import annotations

import json
import time

import pytest

from tests.app.command.office import Office
from tests.delivery.world import MESSAGE, World
from tests.desks import operator
from xtramail.app.command.recover import moment
from xtramail.model.address import Address
from xtramail.model.clock import SetClock
from xtramail.model.errors import BadInput
from xtramail.store import bodies, keys, mailboxes, messages, removals
from xtramail.store.engine import Snapshot, Txn
from xtramail.store.message_row import BodyRef
from xtramail.store.records import Account

ANN = "ann@local.example"
BEN = "ben@local.example"
RAY = "ray@relay.example"
DAY = 86_400.0


def account_of(world: World, address: str) -> Account:
    found: Account = {ANN: world.ann, RAY: world.ray}[address]
    return found


def empty(office: Office, address: str = ANN, mailbox: str = "INBOX", at: float | None = None) -> None:
    """Everything in a mailbox is deleted by its user."""

    def work(world: World) -> None:
        def gone(txn: Txn) -> None:
            row = mailboxes.mailbox_by_name(txn, mailbox)
            assert row is not None
            removals.expunge(txn, row.id, None, address, world.clock.now(), False)

        world.engine.transact(keys.user_scope(account_of(world, address).id), gone).result()

    office.world(work, at)


def change(office: Office, function: object, address: str = ANN) -> None:
    def work(world: World) -> None:
        scope = keys.user_scope(account_of(world, address).id)
        world.engine.transact(scope, function).result()  # type: ignore[arg-type]

    office.world(work)


def held(office: Office, address: str = ANN) -> dict[str, list[bytes]]:
    """The octets of each message by mailbox."""

    def work(world: World) -> dict[str, list[bytes]]:
        def look(snap: Snapshot) -> dict[str, list[BodyRef]]:
            return {
                row.name: [
                    message.body
                    for bucket in messages.counters(snap, row)
                    for uid, message in messages.message_rows(snap, row.id, bucket, 1, 0xFFFF_FFFF)
                    if messages.flag_row(snap, row.id, bucket, uid) is not None
                ]
                for row in mailboxes.mailboxes(snap)
            }

        found = world.engine.read(keys.user_scope(account_of(world, address).id), look)
        return {
            name: sorted(bodies.read(world.engine, ref) for ref in refs) for name, refs in found.items() if refs
        }

    found: dict[str, list[bytes]] = office.world(work)
    return found


def test_everything_goes_back_to_where_it_was(office: Office) -> None:
    office.receive(ANN)
    office.receive(ANN, message=MESSAGE.replace(b"m1@", b"m2@"))
    before = held(office)
    empty(office)
    assert held(office) == {}
    shown = office.json("user", "recover", ANN, "--dry-run")
    assert shown["messages"] == 2
    (row,) = shown["mailboxes"]
    assert (row["mailbox"], row["exists"], row["messages"], row["by"]) == ("INBOX", True, 2, [ANN])
    assert held(office) == {}
    assert office.json("user", "recover", ANN) == {
        "address": ANN,
        "messages": 2,
        "mailboxes": [{"mailbox": "INBOX", "messages": 2}],
        "made": [],
        "left": 0,
    }
    assert held(office) == before
    assert office.done("user", "recover", ANN) == f"{ANN} deleted nothing that could be put back.\n"
    assert held(office) == before
    assert "no fault found" in office.done("verify")


def test_a_deleted_mailbox_is_made_again(office: Office) -> None:
    office.receive(ANN)
    now = time.time()

    def trip(txn: Txn) -> None:
        made = mailboxes.create(txn, "Trips/Rome", now=now)
        inbox = mailboxes.mailbox_by_name(txn, "INBOX")
        assert inbox is not None
        messages.move(txn, inbox.id, made.id, messages.uids(txn, inbox), now)

    change(office, trip)
    before = held(office)
    assert list(before) == ["Trips/Rome"]
    change(office, lambda txn: mailboxes.delete(txn, "Trips/Rome", now=now, by=ANN) and None)
    change(office, lambda txn: mailboxes.delete(txn, "Trips", now=now, by=ANN) and None)
    assert office.json("user", "recover", ANN, "--dry-run")["mailboxes"][0]["exists"] is False
    assert "Trips/Rome: 1 (made again)" in office.done("user", "recover", ANN)
    assert held(office) == before


def test_only_what_was_deleted_since_and_from_one_mailbox(office: Office) -> None:
    now = time.time()
    office.receive(ANN)
    empty(office, at=now - 2 * DAY)
    office.receive(ANN, message=MESSAGE.replace(b"Hello", b"Later"))
    empty(office, at=now - 3600)
    assert office.json("user", "recover", ANN, "--since", "3d", "--dry-run")["messages"] == 2
    assert office.json("user", "recover", ANN, "--mailbox", "Trash", "--dry-run")["messages"] == 0
    assert office.json("user", "recover", ANN, "--mailbox", "inbox", "--since", "1d")["messages"] == 1
    (kept,) = held(office)["INBOX"]
    assert b"Later" in kept
    assert office.json("user", "recover", ANN, "--dry-run")["messages"] == 1


def test_times_are_read_as_people_write_them() -> None:
    assert moment("2d", 200_000.0) == 27_200.0
    assert moment("2026-01-01", 0.0) == 1_767_225_600.0
    assert moment("2026-01-01T01:00:00+01:00", 0.0) == 1_767_225_600.0
    with pytest.raises(BadInput, match="write it as 2026-11-21"):
        moment("yesterday", 0.0)


def test_a_full_quota_leaves_the_rest_and_says_the_next_step(office: Office) -> None:
    for number in range(3):
        office.receive(ANN, message=MESSAGE.replace(b"m1@", b"m%d@" % number))
    size = len(held(office)["INBOX"][0])
    empty(office)
    office.done("user", "set", ANN, f"quota={2 * size + 10}")
    result = office.run("user", "recover", ANN)
    assert result.exit_code == 1
    assert "2 messages" in result.stdout
    assert "1 message left: the quota has no room. Raise it, then run this again: xtramail user set" in result.stdout
    office.done("user", "set", ANN, "quota=1GiB")
    assert office.json("user", "recover", ANN)["messages"] == 1
    assert len(held(office)["INBOX"]) == 3


def rows(office: Office) -> list[bytes]:
    """Keys of all rows of bodies."""
    with office.engine() as engine:
        return [
            key
            for bucket in engine.buckets()
            for tag in (b"b", b"x")
            for key, _ in engine.read(keys.BODY, lambda snap, b=bucket, t=tag: snap.range(b, t, keys.after(t)))  # type: ignore[misc]
        ]


def test_a_purge_destroys_rows_and_body(office: Office) -> None:
    office.receive(ANN)
    empty(office)
    assert "add --yes" in office.refused("user", "recover", ANN, "--purge")
    assert office.json("user", "recover", ANN, "--purge", "--yes") == {
        "address": ANN,
        "purged": 1,
        "bodies": 1,
        "waiting": [],
    }
    assert rows(office) == []
    assert office.json("user", "recover", ANN, "--dry-run")["messages"] == 0
    assert [event["event"] for event in office.json("trace", ANN)["events"]][-2:] == ["purged", "state"]
    assert "no fault found" in office.done("verify")


def test_another_users_copy_stays_whole(office: Office) -> None:
    office.done("user", "add", BEN, "--generate")
    office.receive(ANN, BEN)
    (whole,) = held(office)["INBOX"]
    empty(office)
    purged = office.json("user", "recover", ANN, "--purge", "--yes")
    assert (purged["purged"], purged["bodies"]) == (1, 0)
    with office.engine() as engine:
        account = operator(engine, SetClock()).account(Address.parse(BEN))

        def look(snap: Snapshot) -> list[BodyRef]:
            inbox = mailboxes.mailbox_by_name(snap, "INBOX")
            assert inbox is not None
            (bucket,) = messages.counters(snap, inbox)
            return [row.body for _, row in messages.message_rows(snap, inbox.id, bucket, 1, 1)]

        found = [bodies.read(engine, ref) for ref in engine.read(keys.user_scope(account.id), look)]
    assert found == [whole]
    assert "no fault found" in office.done("verify")


def test_a_copy_of_ones_own_keeps_the_body(office: Office) -> None:
    office.receive(ANN)
    now = time.time()

    def keep_one(txn: Txn) -> None:
        inbox, archive = mailboxes.mailbox_by_name(txn, "INBOX"), mailboxes.mailbox_by_name(txn, "Archive")
        assert inbox is not None and archive is not None
        messages.copy(txn, inbox.id, archive.id, messages.uids(txn, inbox), now)

    change(office, keep_one)
    empty(office)
    told = office.done("user", "recover", ANN, "--purge", "--yes")
    assert f"1 message that {ANN} had deleted destroyed; 0 texts removed from the store.\nA text stays" in told
    assert list(held(office)) == ["Archive"]
    empty(office, mailbox="Archive")
    told = office.done("user", "recover", ANN, "--purge", "--yes")
    assert told == f"1 message that {ANN} had deleted destroyed; 1 text removed from the store.\n"
    assert rows(office) == []


def test_what_still_waits_for_the_primary_is_left(office: Office) -> None:
    office.receive(RAY)
    empty(office, RAY)
    result = office.run("user", "recover", RAY, "--purge", "--yes", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["purged"], len(told["waiting"])) == (0, 1)
    (entry,) = office.queued()
    with office.engine() as engine:
        assert b"Hello Ann." in bodies.read(engine, entry.body)
    assert "still waits to be handed on" in office.run("user", "recover", RAY, "--purge", "--yes").stdout
    assert office.json("user", "recover", RAY)["messages"] == 1


def test_a_stranger_is_named(office: Office) -> None:
    assert "does not exist; see: xtramail user list" in office.refused("user", "recover", "who@local.example")
