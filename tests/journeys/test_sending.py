"""What mail programs do to send: logins of every age, real senders on port 25, one copy in Sent."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN
from tests.journeys.dialogue import Line
from tests.journeys.harness import Installation, after_return_path, after_trace, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, ScriptedPrimary]]:
    with ScriptedPrimary() as primary:
        server = Installation(tmp_path_factory.mktemp("sending") / "server").init()
        server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
        for user in (ANN, BEN):
            server.add_user(user)
        server.start()
        yield server, primary
        server.close()


def text(word: str) -> str:
    return base64.b64encode(word.encode()).decode()


def outlook_sends(line: Line, server: Installation, subject: str) -> None:
    """As Outlook does: AUTH LOGIN word by word, and a space behind the colon of MAIL and RCPT."""
    assert line.ask("EHLO laptop").startswith("250")
    assert line.ask("AUTH LOGIN") == f"334 {text('Username:')}"
    assert line.ask(text(ANN)) == f"334 {text('Password:')}"
    assert line.ask(text(server.users[ANN])).startswith("235 2.7.0")
    assert line.ask(f"MAIL FROM: <{ANN}>").startswith("250")
    assert line.ask(f"RCPT TO: <{BEN}>").startswith("250")
    assert line.ask("DATA").startswith("354")
    line.say(f"From: Ann <{ANN}>\r\nTo: Ben <{BEN}>\r\nSubject: {subject}\r\n\r\nFrom Outlook.\r\n.")
    assert line.hear().startswith("250 2.0.0 Ok: queued as ")
    assert line.ask("QUIT").startswith("221")


def has_subject(server: Installation, user: str, subject: str, mailbox: str = "INBOX") -> list[bytes]:
    with server.imap(user) as client:
        return [one for one in fetched(client, mailbox) if f"Subject: {subject}\r\n".encode() in one]


def test_outlook_sends_on_465(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with Line(server.ports["submissions"], tls=server.tls()) as line:
        assert line.hear().startswith("220")
        outlook_sends(line, server, "Outlook 465")
    (stored,) = has_subject(server, BEN, "Outlook 465")
    assert b"\r\nMessage-ID: <" in stored and b"\r\nDate: " in stored, "added because Outlook left them out"


def test_outlook_sends_on_587_after_starttls(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with Line(server.ports["submission"]) as line:
        assert line.hear().startswith("220")
        assert line.ask("EHLO laptop").startswith("250")
        assert line.ask("AUTH LOGIN").startswith("538 5.7.11"), "no password before TLS"
        assert line.ask("STARTTLS").startswith("220")
        line.start_tls(server.tls())
        outlook_sends(line, server, "Outlook 587")
    assert has_subject(server, BEN, "Outlook 587")


def test_swaks_delivers_on_25_under_tls(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    done = swaks(server, "smtp", "--tls", "--header", "Subject: swaks 25")
    assert "250 2.0.0 Ok: queued as" in done.stdout, done.stdout + done.stderr
    (stored,) = has_subject(server, ANN, "swaks 25")
    assert b" with ESMTPS" in stored
    eventually(lambda: after_return_path(stored) in [one.octets for one in primary.messages])


@pytest.mark.parametrize("kind", ["PLAIN", "LOGIN"])
def test_swaks_submits_after_a_login(lasting: tuple[Installation, ScriptedPrimary], kind: str) -> None:
    server, _ = lasting
    done = swaks(
        server, "submission", "--tls", "--auth", kind, "--auth-user", ANN, "--auth-password", server.users[ANN],
        "--header", f"Subject: swaks {kind}", to=BEN, sender=ANN,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (stored,) = has_subject(server, BEN, f"swaks {kind}")
    assert b" with ESMTPSA" in stored


def swaks(
    server: Installation, service: str, *arguments: str, to: str = ANN, sender: str = "bob@sender.example"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(server.ports[service]), "--helo", "sender.test",
         "--from", sender, "--to", to, "--h-From", sender, "--timeout", "20", *arguments],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip


@pytest.mark.parametrize("scheme, service", [("smtp", "smtp"), ("smtps", "submissions")])
def test_curl_sends(lasting: tuple[Installation, ScriptedPrimary], scheme: str, service: str) -> None:
    server, _ = lasting
    login = ["--user", f"{ANN}:{server.users[ANN]}"] if service != "smtp" else []
    subject = f"curl {scheme}"
    message = f"From: {ANN}\r\nTo: {BEN}\r\nSubject: {subject}\r\n\r\nSent by curl.\r\n"
    done = subprocess.run(
        ["curl", "-sS", "--cacert", str(server.authority), *login, "--mail-from", ANN, "--mail-rcpt", BEN,
         "--upload-file", "-", f"{scheme}://localhost:{server.ports[service]}/laptop.test"],
        input=message, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert has_subject(server, BEN, subject)


def test_one_copy_lies_in_sent_and_the_clients_own_wins(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    message = mail("sent-copy", to=BEN, sender=ANN)
    with server.submission(ANN) as client:
        assert not client.sendmail(ANN, [BEN], message)
    assert len(has_subject(server, ANN, "message sent-copy", "Sent")) == 1
    own = message.replace(b"Subject:", b"X-Client: kept\r\nSubject:")
    with server.imap(ANN) as imap:
        status, answer = imap.append("Sent", "\\Seen", None, own)  # type: ignore[arg-type]
        assert status == "OK", answer
    (kept,) = has_subject(server, ANN, "message sent-copy", "Sent")
    assert kept == own
    (arrived,) = has_subject(server, BEN, "message sent-copy")
    assert after_trace(arrived) == message


def test_a_blind_copy_is_delivered_and_shown_to_nobody(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, primary = lasting
    message = mail("blind", to="carla@elsewhere.example", sender=ANN).replace(b"Subject:", b"Bcc: %s\r\nSubject:" % (
        BEN.encode()
    ))
    with server.submission(ANN) as client:
        assert not client.sendmail(ANN, [BEN], message)
    (stored,) = has_subject(server, BEN, "message blind")
    assert b"Bcc" not in stored
    handed_on = eventually(
        lambda: [one for one in primary.messages if b"<blind@" in one.octets and ANN not in one.recipients]
    )
    assert b"Bcc" not in handed_on[0].octets
    (kept,) = has_subject(server, ANN, "message blind", "Sent")
    assert f"Bcc: {BEN}".encode() in kept


def test_a_user_cannot_send_as_another(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with server.submissions(ANN) as client:
        assert client.mail(BEN)[0] == 553
        client.rset()
        client.mail(ANN)
        client.rcpt(BEN)
        code, _text = client.data(mail("forged", to=BEN, sender=BEN))
    assert code == 550
    assert not has_subject(server, BEN, "message forged")


def test_port_25_relays_for_nobody(lasting: tuple[Installation, ScriptedPrimary]) -> None:
    server, _ = lasting
    with server.smtp() as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.mail("bob@sender.example")
        assert client.rcpt("carla@elsewhere.example")[0] == 550
        assert client.rcpt(f"carla%elsewhere.example@{DOMAIN}")[0] == 550
        assert client.rcpt(f"nobody@{DOMAIN}")[0] == 550
