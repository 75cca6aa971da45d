"""A replay sends what it should again, once, and the ledger balances after each step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.delivery.relay_world import RelayWorld, accept, refuse
from tests.delivery.user_steps import delete
from tests.delivery.world import HOLD, MESSAGE, id_of
from xtramail.delivery.replay import Replay, Totals
from xtramail.delivery.replay_choice import Wanted
from xtramail.delivery.suppression import Suppression
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.model.pending import Pending, drive
from xtramail.store.body_finding import find_body
from xtramail.store.records import DomainRow
from xtramail.wire.smtp.client_events import Stage

RAY, STAFF = "ray@relay.example", "staff@relay.example"
WITHOUT_ID = MESSAGE.replace(b"Message-ID: <m1@sender.example>\r\n", b"")


@dataclass
class ScriptedMailboxes:
    """``there``: address, field and value of everything at the primary; None: nobody can look."""

    there: set[tuple[str, str, str]] | None = field(default_factory=set)
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def which(
        self, domain: DomainRow, address: str, values: Iterable[str], field: str = "Message-ID"
    ) -> Pending[frozenset[str] | None]:
        some = list(values)
        self.asked.append((address, field, len(some)))
        if self.there is None:
            return Pending.of(None)
        return Pending.of(frozenset(one for one in some if (address, field, one) in self.there))


def message(number: int) -> bytes:
    return MESSAGE.replace(b"<m1@", f"<m{number}@".encode())


def delivered(world: RelayWorld, *recipients: str, text: bytes = MESSAGE) -> int:
    """One message that the primary took."""
    world.courier.script = accept
    number = id_of(world.receive(*recipients, message=text))
    give_back(world)
    return number


def give_back(world: RelayWorld) -> int:
    """Everything in the queue is tried; how many times the primary was given something."""
    before = len(world.courier.taken)
    for entry in world.queue():
        world.deliver(entry)
    return len(world.courier.taken) - before


def replay(world: RelayWorld, mailboxes: ScriptedMailboxes | None = None, **options: Any) -> Totals:
    domain = world.directory.domain("relay.example")
    assert domain is not None
    one = Replay(
        engine=world.engine,
        directory=world.directory,
        suppression=Suppression(engine=world.engine, directory=world.directory),
        mailboxes=mailboxes or ScriptedMailboxes(None),
        clock=world.clock,
        ids=world.ids,
        hold_seconds=HOLD,
        by="admin",
    )
    now = world.clock.now()
    wanted = Wanted(domain=domain, start=now - 3_600, end=now + 1, **options)
    totals = drive(one.run(wanted))
    assert world.balanced()
    return totals


def counts(totals: Totals) -> dict[str, int]:
    return {why.value: number for why, number in totals.counts.items() if number}


def test_the_row_that_was_delivered_is_advanced_and_delivered_once_more(world: RelayWorld) -> None:
    number = delivered(world, RAY)
    assert counts(replay(world)) == {"queued": 1}
    row = world.ledger(number)[RAY]
    assert (row.fate, row.reply, row.history[-1][0]) == (Fate.HELD, "replayed by admin", Fate.DELIVERED)
    assert world.only().message_id == number
    assert give_back(world) == 1
    assert world.courier.taken[0][2] == world.courier.taken[1][2], "octet for octet what it was"
    row = world.ledger(number)[RAY]
    assert row.fate == Fate.DELIVERED and row.replayed and world.balanced()
    assert counts(replay(world)) == {"replayed": 1}
    assert counts(replay(world, again=True)) == {"queued": 1}


def test_what_waits_is_not_queued_beside_itself(world: RelayWorld) -> None:
    number = id_of(world.receive(RAY))
    assert counts(replay(world)) == {"waiting": 1}
    give_back(world)
    replay(world)
    assert counts(replay(world)) == {"waiting": 1}
    assert [entry.message_id for entry in world.queue()] == [number]


def test_recipients_of_one_message_go_in_one_entry(world: RelayWorld) -> None:
    delivered(world, RAY, STAFF)
    assert counts(replay(world)) == {"queued": 2}
    assert {one.address for one in world.only().recipients} == {RAY, STAFF}


def test_only_what_is_missing_at_the_primary_goes(world: RelayWorld) -> None:
    numbers = [delivered(world, RAY, text=message(one)) for one in range(5)]
    there = ScriptedMailboxes({(RAY, "Message-ID", f"<m{one}@sender.example>") for one in (0, 1, 3)})
    assert counts(replay(world, there, only_missing=True)) == {"queued": 2, "present": 3}
    assert there.asked == [(RAY, "Message-ID", 5)], "one visit for a mailbox"
    assert sorted(entry.message_id for entry in world.queue()) == [numbers[2], numbers[4]]
    assert counts(replay(world, there, only_missing=True)) == {"waiting": 2, "present": 3}
    give_back(world)
    # It has just taken them, and its mailboxes do not show them yet.
    assert counts(replay(world, there, only_missing=True)) == {"replayed": 2, "present": 3}
    world.clock.advance(1_800)
    assert counts(replay(world, there, only_missing=True)) == {"queued": 2, "present": 3}


def test_without_a_message_id_it_is_found_by_our_own_id(world: RelayWorld) -> None:
    number = delivered(world, RAY, text=WITHOUT_ID)
    mark = f"id {id_text(number)}"
    assert mark.encode() in world.courier.taken[0][2].replace(b"\r\n\t", b" ")
    there = ScriptedMailboxes({(RAY, "Received", mark)})
    assert counts(replay(world, there, only_missing=True)) == {"present": 1}
    assert counts(replay(world, ScriptedMailboxes(), only_missing=True)) == {"queued": 1}


def test_what_nobody_can_look_for_is_left_alone_and_named(world: RelayWorld) -> None:
    delivered(world, RAY)
    totals = replay(world, ScriptedMailboxes(None), only_missing=True)
    assert counts(totals) == {"unknown": 1} and totals.unknown == {RAY}
    assert world.queue() == []


def test_what_its_user_deleted_goes_only_when_that_is_said(world: RelayWorld) -> None:
    delivered(world, RAY)
    delete(world, world.ray)
    assert counts(replay(world)) == {"deleted": 1}
    assert counts(replay(world, deleted=True)) == {"queued": 1}
    world.clock.advance(60)
    assert give_back(world) == 1, "and nothing suppresses it on its way"


def test_what_was_refused_for_good_goes_only_when_that_is_said_and_nobody_is_told(world: RelayWorld) -> None:
    world.courier.script = refuse(Stage.RCPT, 550, "5.7.1")
    world.receive(STAFF)
    give_back(world)
    assert counts(replay(world)) == {"bounced": 1}
    before = len(world.courier.calls)
    assert counts(replay(world, bounced=True)) == {"queued": 1}
    give_back(world)
    assert len(world.courier.calls) == before + 1 and world.queue() == [] and world.balanced()


def test_a_dry_run_changes_nothing(world: RelayWorld) -> None:
    number = delivered(world, RAY)
    totals = replay(world, dry_run=True)
    assert counts(totals) == {"queued": 1} and totals.named == [(number, RAY)]
    assert world.queue() == [] and world.ledger(number)[RAY].fate == Fate.DELIVERED


def test_sent_mail_goes_only_when_that_is_said_and_into_the_senders_own_mailbox(world: RelayWorld) -> None:
    text = b"From: ray@relay.example\r\nTo: zoe@sender.example\r\nMessage-ID: <s1@x>\r\n\r\nHi.\r\n"
    world.submit(world.ray, "zoe@sender.example", message=text)
    give_back(world)
    assert counts(replay(world)) == {}
    assert counts(replay(world, sent=True)) == {"queued": 1}
    entry = world.only()
    assert (entry.kind, entry.reverse_path, entry.header_message_id) == ("sent", "", "<s1@x>")
    give_back(world)
    first, second = [octets for recipient, _, octets in world.courier.taken if recipient == RAY]
    assert first == second and first.startswith(b"X-Xtramail-Sent: yes\r\n")


def test_two_replays_at_once_queue_it_once(world: RelayWorld) -> None:
    delivered(world, RAY)

    class Quicker(ScriptedMailboxes):
        def which(self, *words: Any, **named: Any) -> Any:
            replay(world)
            return Pending.of(frozenset())

    assert counts(replay(world, Quicker(), only_missing=True)) == {"waiting": 1}
    assert len(world.queue()) == 1


@pytest.mark.parametrize("size", [0, 1, 64_999, 65_000, 65_001, 200_000])
@pytest.mark.parametrize("header", [b"", b"X-Long: " + b"a" * 70_000 + b"\r\n"])
def test_a_body_is_found_again_as_it_was_written(world: RelayWorld, size: int, header: bytes) -> None:
    text = header + WITHOUT_ID[: -len(b"Hello Ann.\r\n")] + b"x" * size + b"\r\n"
    number = id_of(world.receive(RAY, message=text))
    ref = world.only().body
    found = find_body(world.engine, ref.bucket, number)
    assert found is not None and found.ref == ref and not found.eightbit
    assert find_body(world.engine, ref.bucket, number + 1) is None
