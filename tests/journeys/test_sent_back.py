"""What people send through us while their own server is away lies in their own mailbox there afterwards, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.primary_mailboxes import Kept
from tests.journeys.scripted_imap import ImapScript, ScriptedImap
from tests.journeys.scripted_primary import Script, ScriptedPrimary

SECRET = "the secret of the service"


@pytest.fixture
def imap(primary: ScriptedPrimary, tmp_path: Path) -> Iterator[ScriptedImap]:
    """The primary's IMAP: master users with one password."""
    logins = {f"{user}*admin": SECRET for user in (ANN, BEN)}
    certificate = Authority(tmp_path).serving("localhost")
    with ScriptedImap(primary.mailboxes, certificate, script=ImapScript(passwords=logins)) as one:
        yield one


def by_imap(server: Installation, imap: ScriptedImap, folder: Path, *, secret: str = SECRET) -> None:
    server.command(
        "domain", "set", DOMAIN, f"primary-ca={folder / 'authority.pem'}", f"primary-imap={imap.host}",
        "primary-imap-login={address}*admin", "primary-imap-secret=-", "sent-back-by=imap", text=secret,
    )  # fmt: skip


def sends(server: Installation, number: int, to: str = "carla@elsewhere.example") -> bytes:
    """Ann sends one; a blind copy goes to Ben."""
    message = mail(number, to=to, sender=ANN).replace(b"Subject:", f"Bcc: {BEN}\r\nSubject:".encode())
    with server.submission(ANN) as client:
        assert not client.sendmail(ANN, [BEN], message)
    return message


def copies(primary: ScriptedPrimary, number: int) -> list[Kept]:
    """What Ann has of it at the primary, whichever way it came."""
    every = [one for folder in primary.mailboxes.folders(ANN) for one in primary.mailboxes.messages(ANN, folder)]
    return [one for one in every if one.field("Message-ID") == f"<{number}@sender.example>"]


def down(server: Installation, primary: ScriptedPrimary) -> None:
    server.command("domain", "set", DOMAIN, "probe-idle=100ms")
    primary.refuse()
    eventually(lambda: server.command("domain", "list", DOMAIN)[0]["state"] == "down", what="its absence is noticed")


def test_by_smtp_the_senders_own_mailbox_has_it_once(office: Installation, primary: ScriptedPrimary) -> None:
    primary.refuse()
    message = sends(office, 1)
    waiting = office.queue()
    assert {(one["kind"], tuple(one["to"])) for one in waiting} == {("primary", (BEN,)), ("sent", (ANN,))}
    assert office.balance() == {"accepted": 2, "held": 2}
    primary.accept()
    office.waits_for_nothing()
    (copy,) = copies(primary, 1)
    assert copy.octets.startswith(b"X-Xtramail-Sent: yes\r\nReceived: ")
    assert copy.octets.endswith(message), "with its Bcc, as it lies in Sent"
    (received,) = [one for one in primary.messages if one.recipients == (ANN,)]
    assert received.sender == "", "nobody answers the null sender"
    (to_ben,) = primary.mailboxes.messages(BEN)
    assert b"Bcc" not in to_ben.octets and not to_ben.field("X-Xtramail-Sent")
    assert office.balance() == {"accepted": 2, "delivered": 2}
    assert office.command("verify")["findings"] == []
    told = office.command("trace", "<1@sender.example>")
    assert sorted((one["recipient"], one["fate"]) for one in told["fates"]) == [(ANN, "delivered"), (BEN, "delivered")]
    with office.imap(ANN) as client:
        assert fetched(client) == [], "nothing of it comes into INBOX here"
        assert len(fetched(client, "Sent")) == 1


def test_what_comes_back_to_its_sender_is_refused(office: Installation, primary: ScriptedPrimary) -> None:
    sends(office, 2)
    office.waits_for_nothing()
    (copy,) = copies(primary, 2)
    with office.smtp() as client:
        client.ehlo()
        client.mail("")
        client.rcpt(ANN)
        code, text = client.data(copy.octets)
    assert (code, text[:5]) == (554, b"5.4.6")
    # A rule of the primary forwards it to somebody else: that is mail.
    office.send(copy.octets, BEN, sender="")
    office.waits_for_nothing()
    with office.imap(BEN) as client:
        assert len(fetched(client)) == 2


def test_by_imap_it_lies_in_sent_seen_and_dated_once(
    office: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    by_imap(office, imap, tmp_path)
    settings = office.command("domain", "show", DOMAIN)
    assert (settings["sent-back"], settings["sent-back-by"]) == ("always", "imap")
    assert settings["primary-imap-secret"] == "set", "and nothing shows it"
    down(office, primary)
    messages = [sends(office, number) for number in range(3)]
    assert not imap.connections, "nothing is given back while the primary is down, whatever its IMAP does"
    # Ann's client at her own server filed one of them itself.
    primary.mailboxes.deliver(ANN, messages[2], "Sent", ("\\Seen",))
    primary.accept()
    office.waits_for_nothing()
    for number, message in enumerate(messages):
        (copy,) = copies(primary, number)
        assert copy in primary.mailboxes.messages(ANN, "Sent")
        assert copy.octets.endswith(message) and copy.flags == ("\\Seen",)
        assert copy.date.endswith(" +0000") or number == 2
        assert not copy.field("X-Xtramail-Sent")
    assert office.balance() == {"accepted": 6, "delivered": 6}
    assert {name for _, name, _ in imap.logins} == {f"{ANN}*admin"}
    # Another outage gives nothing of it back again.
    down(office, primary)
    sends(office, 7)
    primary.accept()
    office.waits_for_nothing()
    assert [len(copies(primary, number)) for number in (0, 1, 2, 7)] == [1, 1, 1, 1]


def test_killed_between_append_and_outcome_it_is_there_once(
    install: Install, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        server.add_user(user)
    by_imap(server, imap, tmp_path)
    # Appended, and never answered: the server dies while it waits.
    imap.play(ImapScript(passwords=imap.script.passwords, hang_at="appended"))
    server.start()
    sends(server, 1)
    eventually(lambda: copies(primary, 1), what="the copy lies in Sent")
    server.told("recipient-delivered", since=0, recipient=BEN)
    server.kill()
    assert server.balance().get("attempted") == 1
    imap.play(ImapScript(passwords=imap.script.passwords))
    server.start()
    server.waits_for_nothing()
    assert len(copies(primary, 1)) == 1
    assert server.balance() == {"accepted": 2, "delivered": 2}


def test_a_refused_login_is_told_once_and_mail_waits(
    office: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    office.expected_alarms = frozenset({"primary-imap"})
    by_imap(office, imap, tmp_path, secret="wrong")
    sends(office, 1)
    sends(office, 2)

    def refused() -> list[dict[str, Any]]:
        why = f"login of {ANN}*admin refused"
        return [one for one in office.queue() if why in (one["last-answer"] or "")]

    eventually(lambda: len(refused()) == 2)
    eventually(lambda: all(one["attempts"] > 1 for one in refused()))
    assert len(office.log("alarm")) == 1
    (alert,) = office.command("alert", "list", "--domain", DOMAIN)
    assert alert["kind"] == "primary-imap" and SECRET not in str(alert)
    eventually(lambda: len(primary.mailboxes.messages(BEN)) == 2, what="other mail goes on")
    by_imap(office, imap, tmp_path)
    office.waits_for_nothing()
    assert [len(copies(primary, number)) for number in (1, 2)] == [1, 1]


@pytest.mark.parametrize("when, given", [("never", 0), ("outage", 1)])
def test_a_domain_says_when_it_is_given_back(
    office: Installation, primary: ScriptedPrimary, when: str, given: int
) -> None:
    office.command("domain", "set", DOMAIN, f"sent-back={when}")
    sends(office, 1)
    office.waits_for_nothing()
    assert copies(primary, 1) == []
    down(office, primary)
    sends(office, 2)
    primary.play(Script())
    primary.accept()
    office.waits_for_nothing()
    assert len(copies(primary, 2)) == given
