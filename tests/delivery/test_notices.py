"""What senders are told of mail that was given up."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld, refuse
from tests.delivery.world import PEER, reverse
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath
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
