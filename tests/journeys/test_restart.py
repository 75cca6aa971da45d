"""Stopping and starting again: nothing changes for clients, nothing is lost, and a store has one server."""

from __future__ import annotations

import signal
import subprocess
import time

from tests.journeys.conftest import ANN
from tests.journeys.dialogue import Line
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary


def identity(server: Installation) -> dict[str, tuple[bytes, bytes]]:
    """UIDVALIDITY and UIDNEXT, and UIDs with their octets, of every mailbox."""
    found = {}
    with server.imap(ANN) as client:
        for mailbox in ("INBOX", "Sent", "Archive"):
            _, status = client.status(mailbox, "(UIDVALIDITY UIDNEXT MESSAGES)")
            found[mailbox] = (status[0], b"".join(fetched(client, mailbox)))
    return found


def test_a_restart_changes_no_uid(office: Installation, primary: ScriptedPrimary) -> None:
    for number in range(4):
        office.send(mail(number), ANN)
    with office.imap(ANN) as client:
        client.select("INBOX")
        client.uid("MOVE", "2", "Archive")
        client.uid("STORE", "3", "+FLAGS", "(\\Deleted)")
        client.expunge()
    before = identity(office)
    assert office.stop() == 0
    office.start()
    assert identity(office) == before
    office.send(mail("after"), ANN)
    with office.imap(ANN) as client:
        client.select("INBOX")
        assert client.uid("SEARCH", "ALL")[1] == [b"1 4 5"], "a UID is never given twice"


def test_mail_that_waits_survives_a_restart(office: Installation, primary: ScriptedPrimary) -> None:
    primary.refuse()
    for number in range(3):
        office.send(mail(number), ANN)
    assert office.stop() == 0
    primary.accept()
    assert primary.messages == []
    office.start()
    eventually(lambda: len(primary.messages) == 3, what="handed on after the start")
    office.waits_for_nothing()
    assert office.balance() == {"accepted": 3, "delivered": 3}


def test_sigterm_lets_a_message_under_way_finish(office: Installation, primary: ScriptedPrimary) -> None:
    with Line(office.ports["smtp"]) as sender, Line(office.ports["imaps"], tls=office.tls()) as reader:
        sender.hear()
        reader.hear()
        sender.ask("EHLO sender.test")
        sender.ask("MAIL FROM:<bob@sender.example>")
        sender.ask(f"RCPT TO:<{ANN}>")
        assert sender.ask("DATA").startswith("354")
        sender.say("From: bob@sender.example\r\nSubject: half")
        assert office.process is not None
        office.process.send_signal(signal.SIGTERM)
        assert reader.hear().startswith("* BYE")
        sender.say("\r\nthe rest\r\n.")
        assert sender.hear().startswith("250 ")
        assert sender.hear().startswith("421 4.3.2")
        assert office.stopped() == 0
    office.start()
    with office.imap(ANN) as client:
        (stored,) = fetched(client)
    assert stored.endswith(b"Subject: half\r\n\r\nthe rest\r\n")


def test_sigterm_does_not_wait_for_a_primary_that_hangs(office: Installation, primary: ScriptedPrimary) -> None:
    primary.play(Script(hang_at="final"))
    began = office.log_end()
    office.send(mail("hangs"), ANN)
    eventually(lambda: primary.messages, what="the primary has it and says nothing")
    asked = time.monotonic()
    assert office.stop() == 0
    # It would be a quarter of an hour, or the thirty seconds that open sessions have.
    assert time.monotonic() - asked < 25
    assert office.told("recipient-unconfirmed", since=began)


def test_a_store_has_one_server(office: Installation) -> None:
    second = subprocess.run(_second_server(office), capture_output=True, text=True, timeout=120)
    assert second.returncode == 1
    assert "server" in second.stderr and "Traceback" not in second.stderr, second.stderr
    assert office.alive()
    office.send(mail("still here"), ANN)


def _second_server(office: Installation) -> list[str]:
    arguments = [one for one in office.server_command() if "=tcp:" not in one and not one.startswith("--pidfile")]
    place = arguments.index("xtramail")
    arguments.insert(place, f"--pidfile={office.folder / 'second.pid'}")
    ports = [f"--set=listen.{name}=[]" for name in office.ports]
    return [*arguments, *ports]
