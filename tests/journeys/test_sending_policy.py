"""What a domain sends is signed by keys that DNS shows; who sends too much is stopped until somebody releases him."""

from __future__ import annotations

import json
import smtplib
from typing import Any

import pytest

from tests.dkim_verifier import verdicts
from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, Refused, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.net.name_server import NameServer


@pytest.fixture
def office(install: Install, primary: ScriptedPrimary) -> Installation:
    """Everything for the world goes through ``primary``, its smarthost."""
    server = install(settings=(f'relay.smarthost="{primary.host}"',))
    server.add_domain(DOMAIN)
    for user in (ANN, BEN):
        server.add_user(user)
    return server.start()


def keys(server: Installation) -> dict[str, dict[str, Any]]:
    return {one["selector"]: one for one in server.command("dkim", "show", DOMAIN)}


def published(server: Installation) -> dict[str, str]:
    """What an administrator pasted into DNS."""
    return {one["record-name"]: one["record"] for one in keys(server).values()}


def publish(names: NameServer, server: Installation) -> None:
    for one in keys(server).values():
        names.put(one["record-name"], "TXT", " ".join(f'"{part}"' for part in one["strings"]))


def sent(server: Installation, primary: ScriptedPrimary, message: bytes) -> bytes:
    """What the world gets of it."""
    before, name = primary.taken, next(line for line in message.split(b"\r\n") if line.startswith(b"Message-ID:"))
    with server.submission(ANN) as client:
        assert client.sendmail(ANN, ["zoe@world.example"], message, ["BODY=8BITMIME"]) == {}
    return eventually(lambda: [one.octets for one in primary.messages[before:] if name in one.octets])[0]


def signed(server: Installation, primary: ScriptedPrimary, message: bytes, selector: bytes) -> bytes:
    """What the world gets of it, with that key's signature; empty without."""
    octets = sent(server, primary, message)
    return octets if b"s=" + selector in octets else b""


def write(number: int, *, size: int = 0) -> bytes:
    text = mail(number, to="zoe@world.example", sender=ANN, size=size)
    return text.replace(b"Bob", "Änn".encode()) + "Grüße, \t und  mehr \r\n\r\n\r\n".encode()


def test_mail_is_signed_once_dns_shows_the_keys_and_through_their_replacement(
    office: Installation, primary: ScriptedPrimary
) -> None:
    with NameServer() as names:
        server = ("--nameserver", f"127.0.0.1:{names.port}")
        assert verdicts(sent(office, primary, write(1)), {}) == []
        office.command("dkim", "create", DOMAIN, "--selector", "one")
        with pytest.raises(Refused) as refused:
            office.command("dkim", "activate", DOMAIN, *server)
        told = json.loads(refused.value.text)
        assert refused.value.code == 1 and told["active"] == []
        assert told["waiting"] == dict.fromkeys(("one-ed", "one-rsa"), "there is no such TXT record")
        assert verdicts(sent(office, primary, write(2)), {}) == []

        publish(names, office)
        assert office.command("dkim", "activate", DOMAIN, *server)["active"] == ["one-ed", "one-rsa"]
        eventually(lambda: signed(office, primary, write(3), b"one-rsa"))
        first, records = sent(office, primary, write(4)), published(office)
        assert verdicts(first, records) == [True, True]
        assert first.endswith(write(4)), "not an octet of what was written is another"
        assert verdicts(sent(office, primary, write(5, size=6_000_000)), records) == [True, True]

        office.command("dkim", "rotate", DOMAIN, "--selector", "two")
        assert b"s=one-rsa" in sent(office, primary, write(6)), "the old keys sign until the new ones are there"
        publish(names, office)
        office.command("dkim", "activate", DOMAIN, *server)
        second = eventually(lambda: signed(office, primary, write(7), b"two-rsa"))
        records = published(office)
        assert verdicts(second, records) == [True, True]
        assert verdicts(first, records) == [True, True], "mail under way is still found good"
        seen = office.command("dkim", "show", DOMAIN, *server)
        assert {(one["selector"], one["state"], one["dns"]) for one in seen} == {
            ("one-ed", "retired", ""), ("one-rsa", "retired", ""), ("two-ed", "active", ""), ("two-rsa", "active", "")
        }  # fmt: skip

        office.stop()
        office.start()
        assert verdicts(sent(office, primary, write(8)), records) == [True, True]
        with pytest.raises(Refused, match="may wait somewhere until"):
            office.command("dkim", "rotate", DOMAIN, "--drop")
        office.command("dkim", "rotate", DOMAIN, "--drop", "--force")
        assert list(keys(office)) == ["two-ed", "two-rsa"]
    (accepted,) = [one for one in office.log("message-accepted") if one["message_id"] == "<8@sender.example>"]
    assert accepted["signed"] == f"d={DOMAIN} s=two-rsa,two-ed"
    with office.imap(ANN) as client:
        assert all(b"DKIM-Signature" not in one for one in fetched(client, "Sent"))


def test_who_sends_too_much_is_stopped_until_he_is_released(office: Installation, primary: ScriptedPrimary) -> None:
    office.command("domain", "set", DOMAIN, "send-rate=3")
    with office.submission(ANN) as client:
        many = [f"r{number}@world.example" for number in range(4)]
        refused = client.sendmail(ANN, many[:3], write(1))
        assert refused == {}
        with pytest.raises(smtplib.SMTPRecipientsRefused) as stopped:
            client.sendmail(ANN, many[3:], write(2))
        code, text = stopped.value.recipients[many[3]]
        assert code == 550 and text.startswith(b"5.7.1 You are blocked from sending outside since ")
        assert text.endswith(f"Ask your administrator: xtramail blocked release {ANN}".encode())
        # Colleagues are written to, mail is read, and others send.
        assert client.sendmail(ANN, [BEN], write(3)) == {}
    with office.imap(BEN) as mailbox:
        assert len(fetched(mailbox, "INBOX")) == 1
    with office.submission(BEN) as client:
        assert client.sendmail(BEN, many[:1], write(4).replace(ANN.encode(), BEN.encode())) == {}

    (row,) = office.command("blocked", "list")
    assert (row["user"], row["cause"], row["by"]) == (ANN, "rate", "xtramail")
    told = [one for one in office.command("alert", "list") if one["kind"] == "sending-blocked"]
    assert len(told) == 1 and told[0]["domain"] == DOMAIN
    assert len(office.log("sending-blocked")) == 1

    # What goes at that moment would go twice; of his own that has not gone yet is held with him.
    eventually(lambda: all(one["state"] == "held" for one in office.queue()), what="nothing is under way")
    office.kill()
    office.start()
    with office.submission(ANN) as client, pytest.raises(smtplib.SMTPRecipientsRefused):
        client.sendmail(ANN, many[3:], write(5))
    by_day = {one["sender"]: (one["day"], one["blocked"]) for one in office.command("stats", "senders")}
    assert by_day == {ANN: (3, True), BEN: (1, False)}

    office.command("blocked", "release", ANN)
    assert office.command("blocked", "list") == []
    with office.submission(ANN) as client:
        assert client.sendmail(ANN, many[3:], write(6)) == {}
    changes = [(one["what"], one["actor"]) for one in office.command("audit", "list") if "blocked" in one["what"]]
    assert [what for what, _ in changes] == ["blocked release", "blocked add"] and changes[1][1] == "xtramail"
    eventually(lambda: sum(len(one.recipients) for one in primary.messages) == 5)
    assert office.balance()


def test_figures_of_quotas_are_a_check(office: Installation) -> None:
    office.command("user", "set", BEN, "quota=1KiB")
    assert office.command("stats", "quota", "--over", "90")["users"] == []
    office.send(mail(1, to=BEN, size=600), BEN)
    with pytest.raises(Refused) as refused:
        office.command("stats", "quota", "--over", "50")
    told = json.loads(refused.value.text)
    assert refused.value.code == 1 and [one["address"] for one in told["users"]] == [BEN]
    office.command("domain", "set", DOMAIN, "quota=1KiB")

    def full() -> bool:
        try:
            office.send(mail(2, to=ANN, size=600), ANN)
        except smtplib.SMTPRecipientsRefused as refused:
            return refused.recipients[ANN][0] == 452
        return False

    eventually(full)
