from __future__ import annotations

import pytest

from xtramail.delivery import trace
from xtramail.model.address import Address
from xtramail.model.envelope import ReversePath
from xtramail.model.ids import MessageId
from xtramail.model.peer import Peer

ANN = Address.parse("ann@local.example")


def received(peer: Peer, recipients: list[Address], **options: bool) -> str:
    return trace.received(
        peer=peer,
        hostname="mx.example",
        message_id=MessageId(1),
        at=0.0,
        recipients=recipients,
        authenticated=options.get("authenticated", False),
        smtputf8=options.get("smtputf8", False),
    ).decode()


@pytest.mark.parametrize(
    ("esmtp", "tls", "authenticated", "smtputf8", "name"),
    [
        (False, "", False, False, "SMTP"),
        (True, "", False, False, "ESMTP"),
        (True, "x", False, False, "ESMTPS"),
        (True, "x", True, False, "ESMTPSA"),
        (True, "x", False, True, "UTF8SMTPS"),
        (True, "x", True, True, "UTF8SMTPSA"),
    ],
)
def test_the_protocol_is_named_as_registered(
    esmtp: bool, tls: str, authenticated: bool, smtputf8: bool, name: str
) -> None:
    peer = Peer(address="192.0.2.1", tls=tls, esmtp=esmtp)
    assert trace.protocol(peer, authenticated=authenticated, smtputf8=smtputf8) == name


def test_one_recipient_is_named_and_several_are_not() -> None:
    peer = Peer(address="192.0.2.1", helo="a.example")
    assert "\tfor <ann@local.example>;\r\n" in received(peer, [ANN])
    assert "for <" not in received(peer, [ANN, Address.parse("bob@local.example")])


@pytest.mark.parametrize(
    "helo", ["a)\r\nBcc: x@y", "evil (comment", "x" * 5000, "\u00fcml\u00e4ut", 'quo"te', "a\x00b"]
)
def test_what_a_peer_calls_itself_cannot_leave_its_place(helo: str) -> None:
    text = received(Peer(address="192.0.2.1", helo=helo), [ANN])
    first = text.split("\r\n")[0]
    assert first.endswith(" ([192.0.2.1])")
    assert first.count("(") == first.count(")") == 1
    assert len(first) < 400
    assert all(line.startswith(("Received:", "\t")) for line in text.split("\r\n")[:-1])


def test_an_ipv6_peer_is_written_as_a_literal() -> None:
    assert "([IPv6:2001:db8::1])" in received(Peer(address="2001:db8::1"), [ANN])
    assert "from unknown (local socket)" in received(Peer(address=""), [ANN])


def test_the_return_path_quotes_what_needs_quotes() -> None:
    assert trace.return_path(ReversePath(address=None)) == b"Return-Path: <>\r\n"
    odd = ReversePath(address=Address(local="a b", domain="x.example"))
    assert trace.return_path(odd) == b'Return-Path: <"a b"@x.example>\r\n'


def test_only_our_own_hops_for_these_recipients_count() -> None:
    ours = "from a by mx.example (xtramail) with ESMTP id 1 for <Ann@local.example>; date"
    silent = "from a BY MX.example\t(xtramail)  with ESMTP id 1; date"
    fields = [ours, silent, ours.replace("Ann@", "bob@"), "from a by other.example (xtramail) with ESMTP; date"]
    assert trace.own_hops(fields, "mx.example", [ANN]) == 2
