"""An address and a domain go into one box with seven days beside thirty, and the users' own mail is untouched by it."""

from __future__ import annotations

import imaplib

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, eventually, fetched, mail
from tests.journeys.scripted_primary import ScriptedPrimary
from tests.journeys.test_expiry import moved_by

OTHER = "other.test"
CAT, BOX = f"cat@{OTHER}", f"box@{OTHER}"


def held(office: Installation, user: str, mailbox: str = "INBOX") -> list[bytes]:
    with office.imap(user) as client:
        return fetched(client, mailbox)


def delete_one(client: imaplib.IMAP4) -> None:
    client.select("INBOX")
    client.store("1", "+FLAGS", "\\Deleted")
    client.expunge()


def test_an_address_and_a_domain_are_mirrored_into_one_box_for_seven_days(
    install: Install, primary: ScriptedPrimary
) -> None:
    office = install()
    office.add_domain(DOMAIN, "--primary", primary.host)
    office.add_domain(OTHER)
    for user in (ANN, BEN, CAT, BOX):
        office.add_user(user)
    office.command("mirror", "add", ANN, "--into", BOX, "--days", "7")
    office.command("mirror", "add", OTHER, "--into", BOX, "--days", "7")
    office.start()

    office.send(mail(1), ANN)
    office.send(mail(2), BEN)
    office.send(mail(3, to=CAT), CAT)
    with office.submission(CAT) as client:
        client.sendmail(CAT, [BEN], mail(4, sender=CAT, to=BEN))
    office.send(mail(5), [ANN, BEN])
    copies = held(office, BOX)
    assert [b"<%d@" % number in octets for number, octets in zip((1, 3, 4, 5), copies, strict=True)] == [True] * 4
    assert copies[0] == held(office, ANN)[0], "every octet as the user has it"

    with office.imap(BOX) as client:
        delete_one(client)
        assert len(fetched(client)) == 3, "deleted by hand"
    assert [len(held(office, user)) for user in (ANN, BEN, CAT)] == [2, 3, 1]
    assert len(held(office, CAT, "Sent")) == 1
    eventually(lambda: len(primary.messages) == 4, what="handed on once each, and no copy of it")
    assert sorted(one for message in primary.messages for one in message.recipients) == [ANN, ANN, BEN, BEN, BEN]
    stored = office.command("trace", "<1@sender.example>")["events"][0]["stored"]
    assert stored == f"{ANN} INBOX, {BOX} INBOX"

    office.stop()
    later = moved_by(8)
    office.environment = later
    office.start()
    office.command("expire", "--confirm", environment=later)
    assert held(office, BOX) == [], "seven days are over"
    assert [len(held(office, user)) for user in (ANN, BEN, CAT)] == [2, 3, 1], "thirty are not"
    assert all(len(octets) > 100 for octets in held(office, ANN))
    assert office.command("verify", environment=later)["findings"] == []


def test_a_story_begins_with_who_was_refused_and_ends_with_the_delivery(
    office: Installation, primary: ScriptedPrimary
) -> None:
    office.command("domain", "set", DOMAIN, "recipients=listed")
    office.command("domain", "hold", DOMAIN, "--reason", "moving house")
    with office.smtp() as client:
        client.ehlo("client.example")
        client.starttls(context=office.tls())
        client.ehlo("client.example")
        client.mail("bob@sender.example")
        assert client.rcpt(f"nobody@{DOMAIN}")[0] == 550
        assert client.rcpt("far@away.example")[0] == 550
        assert client.rcpt(ANN)[0] == 250
        assert client.data(mail("told"))[0] == 250
    waits = office.command("trace", "<told@sender.example>")["events"]
    assert [event["event"] for event in waits] == ["refused", "refused", "accepted", "held", "state"]
    assert waits[0]["to"] == [f"nobody@{DOMAIN}"] and waits[0]["text"].startswith("550 5.1.1")
    assert waits[2]["tls"].startswith("TLSv1.3 TLS_") and waits[2]["with"] == "ESMTPS"
    assert waits[-1]["text"] == "held: 444 Redirect because: moving house"
    assert office.queue()[0]["status"] == "444 Redirect because: moving house"
    office.command("domain", "release", DOMAIN)
    eventually(lambda: primary.messages, what="given back")
    office.waits_for_nothing()
    told = office.command("trace", ANN, "--since", "1h")["events"]
    assert [event["event"] for event in told][2:] == ["accepted", "held", "let go", "attempt", "state"]
    assert told[-1]["fate"] == "delivered" and told[-1]["text"].startswith("delivered: 250")
    refused = office.command("trace", "far@away.example")["events"]
    assert [(event["event"], event["text"]) for event in refused][1] == ("refused", "550 5.7.1 Relaying denied")
