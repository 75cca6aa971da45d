"""What senders are told of mail that was given up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.delivery.relay_world import Call, RelayWorld, refuse
from tests.delivery.world import PEER, World, reverse
from xtramail.delivery.courier import Carried
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath
from xtramail.model.errors import StoreFull
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.wire.smtp.client_events import Stage

RAY = Address(local="ray", domain="relay.example")


def told(orcpt: str | None) -> bytes:
    """The notice that ann gets when ray's primary refuses her message."""
    world = RelayWorld()
    transaction = world.submission.begin(PEER, world.ann)
    assert transaction.mail_from(reverse(world.ann.address)).code == 250
    reply = transaction.rcpt_to(ForwardPath(address=RAY, orcpt=orcpt))
    assert isinstance(reply, Reply) and reply.code == 250
    transaction.chunk(b"From: ann@local.example\r\n\r\nhi\r\n")
    assert drive(transaction.commit()).code == 250
    world.courier.script = refuse(Stage.RCPT, 550, "5.1.1", "nobody")
    world.deliver(world.only())
    (notice,) = world.mailbox(world.ann)
    return world.octets(notice)


@pytest.mark.parametrize(
    ("orcpt", "line"),
    [
        ("rfc822;Old+2BName@first.example", b"Original-Recipient: rfc822;Old+Name@first.example\r\n"),
        ("utf-8;old+name@first.example", b"Original-Recipient: utf-8;old+name@first.example\r\n"),
        ("utf-8;j\u00fcrgen@first.example", b"Original-Recipient: utf-8;j\\x{FC}rgen@first.example\r\n"),
        ("rfc822;a+0D+0AX:+20y", b"Original-Recipient: rfc822;a  X: y\r\n"),
    ],
)
def test_a_report_names_the_recipient_the_sender_wrote_to_first(orcpt: str, line: bytes) -> None:
    assert line in told(orcpt)


def test_a_report_names_no_original_recipient_where_none_was_given() -> None:
    assert b"Original-Recipient" not in told(None)


# Who is told.

MESSAGE = b"From: x@x.example\r\nSubject: plans\r\n\r\nhi\r\n"


def bounced(world: RelayWorld, sender: str, *to: str, code: int = 550) -> None:
    """Mail from the world that the primary refuses (550), or that is given up by an admin (0)."""
    world.receive(*to, sender=sender, message=MESSAGE)
    world.courier.script = refuse(Stage.RCPT, code, "5.1.1", "nobody")
    for entry in world.queue():
        if code:
            world.deliver(entry)
        else:
            drive(world.relay.bounce(entry.id, "given up"))


def test_a_sender_of_ours_finds_the_notice_in_his_mailbox_and_his_primary_gets_it_too() -> None:
    world = RelayWorld()
    bounced(world, "ray@relay.example", "una@any.example")
    copies = [world.octets(row) for row in world.mailbox(world.ray)]
    (notice,) = [one for one in copies if b"multipart/report" in one]
    assert notice.startswith(b"Return-Path: <>\r\n")
    assert b"Auto-Submitted: auto-replied" in notice and b"Subject: plans" in notice and b"\r\nhi\r\n" not in notice
    (entry,) = world.queue()
    assert (entry.kind, entry.origin, entry.reverse_path) == ("primary", "dsn", "")
    assert [one.address for one in entry.recipients] == ["ray@relay.example"]
    assert world.balanced()


def test_a_notice_that_fails_is_told_to_nobody() -> None:
    world = RelayWorld()
    bounced(world, "ray@relay.example", "una@any.example")
    world.deliver(world.only())
    assert world.queue() == [] and world.untold == [] and len(world.mailbox(world.ray)) == 1
    assert world.balanced()


def test_the_null_sender_is_told_nothing() -> None:
    world = RelayWorld()
    bounced(world, "", "ray@relay.example")
    assert world.queue() == [] and len(world.mailbox(world.ray)) == 1 and len(world.untold) == 1


def test_a_stranger_whose_mail_a_primary_refuses_may_be_forged_and_is_not_told() -> None:
    world = RelayWorld()
    bounced(world, "zoe@sender.example", "una@any.example")
    assert world.queue() == [] and world.untold == ["its outside sender may be forged"]


@pytest.mark.parametrize(
    ("known", "told_so"),
    [([(0, "mx.sender.example")], True), ("down", True), ("domain sender.example takes no mail", False)],
)
def test_a_stranger_whose_mail_we_gave_up_is_told_where_his_domain_takes_mail(known: object, told_so: bool) -> None:
    world = RelayWorld()
    world.hosts.known = {"sender.example": known}  # type: ignore[dict-item]
    bounced(world, "zoe@sender.example", "una@any.example", code=0)
    assert [entry.destination for entry in world.queue()] == ["sender.example"] * told_so
    assert len(world.untold) == (not told_so)


def test_a_stranger_is_told_when_mail_expires_even_if_the_primary_said_no_all_the_time() -> None:
    world = RelayWorld()
    world.receive("una@any.example", sender="zoe@sender.example", message=MESSAGE)
    world.courier.script = refuse(Stage.MAIL, 550, "5.7.1", "not you")
    world.clock.advance(14 * 86_400)
    world.deliver(world.only())
    (entry,) = world.queue()
    assert (entry.destination, entry.kind) == ("sender.example", "dsn")


@pytest.mark.parametrize(("notify", "count"), [(("NEVER",), 0), (("SUCCESS",), 0), (("FAILURE", "DELAY"), 1), ((), 1)])
def test_notify_is_obeyed(notify: tuple[str, ...], count: int) -> None:
    world = RelayWorld()
    transaction = world.submission.begin(PEER, world.ann)
    transaction.mail_from(reverse(world.ann.address))
    transaction.rcpt_to(ForwardPath(address=RAY, notify=notify))
    transaction.chunk(b"From: ann@local.example\r\n\r\nhi\r\n")
    drive(transaction.commit())
    world.courier.script = refuse(Stage.RCPT, 550)
    world.deliver(world.only())
    assert len(world.mailbox(world.ann)) == count


def test_several_recipients_that_fail_together_are_in_one_notice() -> None:
    world = RelayWorld()
    bounced(world, "ann@local.example", "una@any.example", "vic@any.example")
    (notice,) = world.mailbox(world.ann)
    octets = world.octets(notice)
    assert octets.count(b"Final-Recipient: ") == 2 and octets.count(b"Status: 5.1.1") == 2
    assert world.balanced()


def test_a_failing_commit_leaves_neither_fate_nor_notice() -> None:
    world = RelayWorld()
    world.receive("una@any.example", sender="ann@local.example", message=MESSAGE)
    entry = world.only()

    def then_full(call: Call) -> Carried:
        world.engine.fail_next(StoreFull())
        return refuse(Stage.RCPT, 550)(call)  # type: ignore[return-value]

    world.courier.script = then_full
    with pytest.raises(StoreFull):
        world.deliver(entry)
    assert world.mailbox(world.ann) == [] and world.only().recipients == entry.recipients
    drive(world.relay.write_owed(entry.id))
    assert len(world.mailbox(world.ann)) == 1 and world.queue() == []


def test_a_sender_who_left_is_not_told() -> None:
    world = RelayWorld()
    world.receive("una@any.example", sender="gone@local.example", message=MESSAGE)
    world.courier.script = refuse(Stage.RCPT, 550)
    world.deliver(world.only())
    assert world.queue() == [] and world.untold == ["its sender has no mailbox here any more"]


# Success, for who asks for it.

ANN, BOB = (Address(local=name, domain="local.example") for name in ("ann", "bob"))


def submitted(world: RelayWorld, to: Address, *notify: str) -> None:
    transaction = world.submission.begin(PEER, world.ann)
    assert transaction.mail_from(reverse(world.ann.address)).code == 250
    reply = transaction.rcpt_to(ForwardPath(address=to, notify=notify))
    assert isinstance(reply, Reply) and reply.code == 250
    transaction.chunk(b"From: ann@local.example\r\n\r\nhi\r\n")
    assert drive(transaction.commit()).code == 250


def reports(world: RelayWorld) -> list[bytes]:
    """Those in ann's INBOX."""
    octets = [world.octets(row) for row in world.mailbox(world.ann)]
    return [one for one in octets if b"multipart/report" in one]


def test_who_asks_for_it_is_told_that_the_mailbox_has_his_message() -> None:
    world = RelayWorld()
    submitted(world, BOB, "SUCCESS", "FAILURE")
    (report,) = reports(world)
    assert b"Action: delivered\r\n" in report and b"Status: 2.0.0\r\n" in report
    assert b"Final-Recipient: rfc822; bob@local.example\r\n" in report
    assert world.balanced()


def test_nobody_is_told_of_success_unasked() -> None:
    world = RelayWorld()
    submitted(world, BOB)
    submitted(world, RAY, "FAILURE")
    world.deliver(world.only())
    assert reports(world) == []


def test_what_a_host_without_dsn_took_is_told_as_relayed() -> None:
    world = RelayWorld()
    submitted(world, RAY, "SUCCESS")
    world.deliver(world.only())
    (report,) = reports(world)
    assert b"Action: relayed\r\n" in report
    assert world.balanced()


def test_a_host_with_dsn_reports_for_itself() -> None:
    world = RelayWorld()
    submitted(world, RAY, "SUCCESS")
    accept = world.courier.script
    world.courier.script = lambda call: replace(accept(call), dsn=True)
    world.deliver(world.only())
    assert reports(world) == []


class NoRoom:
    """``acceptance.Receipts`` of a store that is full by now."""

    async def parts(self, *_: object) -> list[Any]:
        raise StoreFull


def test_a_message_is_accepted_even_when_its_report_cannot_be_written() -> None:
    world = World(receipts=NoRoom())
    transaction = world.submission.begin(PEER, world.ann)
    assert transaction.mail_from(reverse(world.ann.address)).code == 250
    assert transaction.rcpt_to(ForwardPath(address=BOB, notify=("SUCCESS",)))
    transaction.chunk(b"From: ann@local.example\r\n\r\nhi\r\n")
    assert drive(transaction.commit()).code == 250
    assert world.log.lost == ["StoreFull"]
    assert len(world.mailbox(world.bob)) == 1
