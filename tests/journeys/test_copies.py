"""Copies instead of MX: a local MTA hands them over by LMTP."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.harness import Installation, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, ScriptedPrimary]]:
    with ScriptedPrimary() as primary:
        folder = tmp_path_factory.mktemp("copies")
        server = Installation(folder / "server", settings=[f'listen.lmtp=["unix:{folder}/lmtp"]']).init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        server.start()
        yield server, primary
        server.close()


def test_a_local_mta_hands_copies_over_a_unix_socket(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    message = mail("by-lmtp", to=ANN)
    with smtplib.LMTP(str(server.folder.parent / "lmtp")) as client:
        client.ehlo_or_helo_if_needed()
        assert client.mail("bob@sender.example")[0] == 250
        assert [client.rcpt(one)[0] for one in (ANN, f"nobody@{DOMAIN}", BEN)] == [250, 550, 250]
        assert client.data(message)[0] == 250
        assert client.getreply()[0] == 250, "one for each"
        assert client.noop()[0] == 250
    for user in (ANN, BEN):
        with server.imap(user) as imap:
            (stored,) = fetched(imap)
        assert after_trace(stored) == message
    assert server.queue() == [] and not primary.messages
    assert server.balance() == {"accepted": 2, "delivered": 2}


def test_it_is_not_smtp(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with smtplib.LMTP(str(server.folder.parent / "lmtp")) as client:
        assert client.docmd("EHLO", "mta")[0] == 500


def test_a_journal_report_is_unwrapped_and_not_doubled(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    secret = f"journal-0123456789abcdef@journal.{DOMAIN}"
    inner = mail("between", to=BEN, sender=ANN)
    before = {user: len(_in(server, user)) for user in (ANN, BEN)}
    report = (
        f"From: postmaster@{DOMAIN}\r\nTo: {secret}\r\nX-MS-Journal-Report:\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="outer"\r\n\r\n--outer\r\nContent-Type: text/plain\r\n\r\n'
        f"Sender: {ANN}\r\nSubject: message between\r\nMessage-Id: <between@x>\r\nTo: {BEN}\r\n\r\n--outer\r\n"
        "Content-Type: message/rfc822\r\n\r\n"
    ).encode() + inner + b"\r\n--outer--\r\n"  # fmt: skip
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.send(report, secret, sender="")
    server.command("domain", "set", DOMAIN, f"journal={secret}", "journal-from=127.0.0.0/8")
    eventually(lambda: _sent_to(server, secret, report))
    assert _sent_to(server, secret, report)
    (copy,) = _in(server, ANN, "Sent")
    assert after_trace(copy) == inner
    found = _in(server, BEN)
    assert len(found) == before[BEN] + 1 and after_trace(found[-1]) == inner
    assert len(_in(server, ANN)) == before[ANN]
    assert server.queue() == [] and not primary.messages
    server.balance()


def _in(server: Installation, user: str, mailbox: str = "INBOX") -> list[bytes]:
    with server.imap(user) as imap:
        return fetched(imap, mailbox)


def _sent_to(server: Installation, address: str, message: bytes) -> bool:
    try:
        server.send(message, address, sender="")
    except smtplib.SMTPRecipientsRefused:
        return False
    return True
