"""Copies by LMTP: into mailboxes, answered one by one, and never on to the primary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.delivery.outward_world import NETWORK, OutwardWorld
from tests.delivery.world import MESSAGE, forward, rcpt, reverse
from xtramail.delivery.lmtp import Lmtp, LmtpTransaction
from xtramail.directory.aliases import add_alias
from xtramail.directory.mirrors import add_mirror
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Fate, Reply
from xtramail.model.peer import Peer
from xtramail.model.pending import drive
from xtramail.store import bodies

SOCKET = Peer(address="", helo="mta.local.example", esmtp=True)
INSIDE = Peer(address="198.51.100.7", esmtp=True)
OUTSIDE = Peer(address="203.0.113.1", esmtp=True)


class LmtpWorld(OutwardWorld):
    def __init__(self) -> None:
        super().__init__()
        self.lmtp = Lmtp(
            engine=self.engine,
            policy=self.intake.policy,
            acceptance=self.intake.acceptance,
            clients=self.clients,
            clock=self.clock,
            ids=self.ids,
        )

    def copy(self, *recipients: str, peer: Peer = SOCKET, message: bytes = MESSAGE) -> list[int]:
        """Codes of the answers behind the text."""
        transaction = self.lmtp.begin(peer)
        self.send(transaction, recipients, message, "zoe@sender.example")
        return [reply.code for reply in transaction.answers]


@pytest.fixture
def world() -> LmtpWorld:
    return LmtpWorld()


def answer(transaction: LmtpTransaction, recipient: str) -> str:
    assert transaction.mail_from(reverse("zoe@sender.example")).code == 250
    return rcpt(transaction, recipient).text


def test_a_copy_is_in_the_mailbox_and_nowhere_else(world: LmtpWorld) -> None:
    assert world.copy("ray@relay.example", "ann@local.example") == [250, 250]
    (rays,), (anns,) = world.mailbox(world.ray), world.mailbox(world.ann)
    assert world.octets(rays).endswith(b"\r\n" + MESSAGE) and rays.source == anns.source == "lmtp"
    assert b"with LMTP\r\n" in world.octets(rays)
    assert world.queue() == []
    fates = world.ledger(rays.object_id)
    assert {row.fate for row in fates.values()} == {Fate.DELIVERED} and len(fates) == 2
    assert world.balanced()


def test_named_twice_it_is_answered_twice_and_stored_once(world: LmtpWorld) -> None:
    assert world.copy("ray@relay.example", "Ray@relay.example", "ray@relay.example") == [250, 250, 250]
    assert len(world.mailbox(world.ray)) == 1


def test_who_has_no_mailbox_here_is_unknown(world: LmtpWorld) -> None:
    for recipient in ("nobody@local.example", "nobody@relay.example", "anyone@any.example", "staff@relay.example"):
        assert answer(world.lmtp.begin(SOCKET), recipient)== "550 5.1.1 No such user here", recipient
    for recipient in ("victim@outside.example", "victim%outside.example@relay.example"):
        assert answer(world.lmtp.begin(SOCKET), recipient) == "550 5.7.1 Relaying denied"


def test_the_primary_is_asked_for_whom_nobody_knows(world: LmtpWorld) -> None:
    world.primary.knows["new"] = Reply.of(250, "2.1.5", "ok")
    assert world.copy("new@ask.example") == [250]
    assert world.primary.asked == ["new@ask.example"]


def test_a_full_mailbox_is_that_recipients_alone(world: LmtpWorld) -> None:
    world.change_account(world.ray, quota=250)
    world.change_account(world.ann, quota=len(MESSAGE))
    assert world.copy("ray@relay.example", "bob@local.example", "ann@local.example") == [250, 250, 452]
    assert world.copy("ray@relay.example", "bob@local.example") == [452, 250]
    assert [len(world.mailbox(user)) for user in (world.ray, world.bob, world.ann)] == [1, 2, 0]
    assert world.balanced()


def test_all_mailboxes_full(world: LmtpWorld) -> None:
    world.change_account(world.ann, quota=10)
    transaction = world.lmtp.begin(SOCKET)
    transaction.mail_from(reverse("zoe@sender.example"))
    assert rcpt(transaction, "ann@local.example").code == 250
    transaction.chunk(MESSAGE)
    assert drive(transaction.commit()).code == 452 and [one.code for one in transaction.answers] == [452]


def test_what_could_not_be_made_durable_is_refused_for_each(world: LmtpWorld) -> None:
    transaction = world.lmtp.begin(SOCKET)
    transaction.mail_from(reverse("zoe@sender.example"))
    for recipient in ("ann@local.example", "bob@local.example"):
        assert rcpt(transaction, recipient).code == 250
    transaction.chunk(MESSAGE)
    world.engine.fail_next(StoreFull())
    drive(transaction.commit())
    assert [one.code for one in transaction.answers] == [452, 452]
    assert world.mailbox(world.ann) == []


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1"])
def test_this_machine_is_trusted(world: LmtpWorld, address: str) -> None:
    assert world.copy("ann@local.example", peer=replace(SOCKET, address=address)) == [250]


def test_others_hand_over_what_they_may_send_for(world: LmtpWorld) -> None:
    assert world.lmtp.begin(OUTSIDE).mail_from(reverse("zoe@sender.example")).code == 550
    assert world.copy("ray@relay.example", peer=INSIDE) == [250]
    assert answer(world.lmtp.begin(INSIDE), "ann@local.example") == "550 5.7.1 Relaying denied"
    world.set("local.example", f"relay-from={NETWORK}")
    assert world.copy("ann@local.example", peer=INSIDE) == [250]


def test_no_report_is_made_of_a_copy(world: LmtpWorld) -> None:
    transaction = world.lmtp.begin(SOCKET)
    transaction.mail_from(reverse("ray@relay.example"))
    reply = transaction.rcpt_to(forward("ann@local.example", notify=("SUCCESS",)))
    assert isinstance(reply, Reply) and reply.code == 250
    transaction.chunk(MESSAGE)
    assert drive(transaction.commit()).code == 250
    assert world.mailbox(world.ray) == [] and world.queue() == []


def test_octets_are_sacred(world: LmtpWorld) -> None:
    message = b"X-Odd:\tyes \r\n\r\n" + bytes(range(128, 256)) + b"\r\n" + b"x" * 3000 + b"\r\n"
    assert world.copy("ann@local.example", message=message) == [250]
    (row,) = world.mailbox(world.ann)
    assert bodies.read(world.engine, row.body).endswith(b"\r\n" + message)


def test_a_mirror_has_a_copy_of_it_too(world: LmtpWorld) -> None:
    box = world.user("box@local.example")
    drive(add_mirror(world.desk, "ray@relay.example", into="box@local.example", days=7))
    assert world.copy("ray@relay.example", "ann@local.example") == [250, 250]
    assert len(world.mailbox(box)) == len(world.mailbox(world.ray)) == 1 and world.queue() == []


def test_a_copy_for_an_alias_is_in_each_mailbox_behind_it_and_sent_on_to_nobody(world: LmtpWorld) -> None:
    drive(add_alias(world.desk, "team@local.example", ["ann@local.example", "bob@local.example", "zed@far.example"]))
    drive(add_alias(world.desk, "away@local.example", ["zed@far.example"]))
    assert world.copy("team@local.example", "ann+x@local.example") == [250, 250]
    assert [len(world.mailbox(one)) for one in (world.ann, world.bob)] == [1, 1]
    assert world.queue() == [] and world.balanced()
    assert answer(world.lmtp.begin(SOCKET), "away@local.example").startswith("550")
