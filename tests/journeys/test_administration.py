"""The administrator's day: a company comes on board, recipients are learned, changes take effect at once."""

from __future__ import annotations

import imaplib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, Refused, after_return_path, eventually, fetched, mail
from tests.journeys.scripted_primary import Script, ScriptedPrimary


def test_a_company_of_sixty_comes_on_board(install: Install, primary: ScriptedPrimary) -> None:
    server = install().start()
    server.add_domain(DOMAIN, "--primary", primary.host)
    people = [f"user{number:02}@{DOMAIN}" for number in range(60)]
    with ThreadPoolExecutor(3) as pool:
        added = list(pool.map(lambda one: server.command("user", "add", one, "--generate"), people))
    server.users |= {one["address"]: one["generated"] for one in added}
    assert len(server.command("user", "list", "--domain", DOMAIN)) == 60
    server.send(mail("all"), people)
    server.waits_for_nothing()
    assert len(primary.messages) == 1, "one message, once, for all"
    assert sorted(primary.messages[0].recipients) == people
    for one in people[::10]:
        with server.imap(one) as client:
            (stored,) = fetched(client)
        assert after_return_path(stored) == primary.messages[0].octets
    traced = server.command("trace", "<all@sender.example>")
    assert {row["recipient"] for row in traced["fates"]} == set(people)
    assert {row["fate"] for row in traced["fates"]} == {"delivered"}
    assert [event["event"] for event in traced["events"]] == ["accepted", "attempt", "state"]


def test_recipients_are_learned_from_the_primary(office: Installation, primary: ScriptedPrimary) -> None:
    carla = f"carla@{DOMAIN}"
    primary.play(Script(known=frozenset({ANN, BEN, carla})))
    with office.smtp() as client:
        client.ehlo()
        client.mail("bob@sender.example")
        assert client.rcpt(f"nobody@{DOMAIN}")[0] == 550
        assert client.rcpt(carla)[0] == 250
        code, _ = client.data(mail("learned", to=carla))
        assert code == 250
    office.waits_for_nothing()
    assert len(primary.messages) == 1
    assert office.command("user", "show", carla)["type"] == "discovered"
    primary.refuse()
    with office.smtp() as client:
        client.ehlo()
        client.mail("bob@sender.example")
        assert client.rcpt(f"stranger@{DOMAIN}")[0] == 450, "no answer is not a no"
        assert client.rcpt(f"nobody@{DOMAIN}")[0] == 550, "a no is remembered"
        assert client.rcpt(carla)[0] == 250, "and so is a yes"
    # Given a password, the mail kept from the first message on can be read.
    office.users[carla] = "correct horse battery"
    office.command("user", "passwd", carla, "--password-stdin", text="correct horse battery\n")
    with office.imap(carla) as client:
        assert len(fetched(client)) == 1


def test_changes_take_effect_within_a_second(office: Installation) -> None:
    dora = f"dora@{DOMAIN}"

    def accepted(recipient: str) -> bool:
        with office.smtp() as client:
            client.ehlo()
            client.mail("bob@sender.example")
            return client.rcpt(recipient)[0] == 250

    office.command("domain", "set", DOMAIN, "recipients=listed")
    office.promptly(lambda: not accepted(dora), within=1.0)
    office.add_user(dora)
    office.promptly(lambda: accepted(dora), within=1.0)
    with office.imap(dora) as session:
        office.command("user", "passwd", dora, "--password-stdin", text="another horse battery\n")
        # A refusal is told a second late, always.
        office.promptly(lambda: refused(office, dora), within=2.5, what="the old password opens nothing")
        office.users[dora] = "another horse battery"

        def ended() -> bool:
            try:
                session.noop()
            except (imaplib.IMAP4.abort, OSError):
                return True
            return False

        office.promptly(ended, within=6.0, what="sessions of the old password end")
    with office.imap(dora) as session:
        assert session.noop()[0] == "OK"
    office.command("user", "remove", dora)
    office.promptly(lambda: not accepted(dora), within=1.0)


def refused(server: Installation, user: str) -> bool:
    try:
        with server.imap(user):
            return False
    except imaplib.IMAP4.error:
        return True


def test_a_domain_with_open_mail_is_not_removed(office: Installation, primary: ScriptedPrimary) -> None:
    primary.refuse()
    office.send(mail("open"), ANN)
    for arguments in (("user", "remove", ANN), ("domain", "remove", DOMAIN)):
        with pytest.raises(Refused) as said:
            office.command(*arguments)
        assert said.value.code == 1
        assert "wait" in said.value.text
    primary.accept()
    office.waits_for_nothing()
    office.command("domain", "remove", DOMAIN)


def test_a_held_domain_waits_for_its_release(office: Installation, primary: ScriptedPrimary) -> None:
    office.command("domain", "hold", DOMAIN)
    held = office.send(mail("held"), ANN)
    with office.imap(ANN) as client:
        assert len(fetched(client)) == 1
    assert [one["state"] for one in office.queue()] == ["domain-held"]
    began = office.log_end()
    office.command("domain", "release", DOMAIN)
    office.told("recipient-delivered", since=began, id=held)
    assert len(primary.messages) == 1


def test_mail_can_be_given_up_and_released_again(office: Installation, primary: ScriptedPrimary) -> None:
    primary.refuse()
    office.send(mail("up"), ANN)
    (waiting,) = eventually(office.queue)

    def given_up() -> bool:
        try:
            return bool(office.command("queue", "bounce", waiting["id"])["bounced"] == 1)
        except Refused:
            # It is just being tried once more.
            return False

    eventually(given_up)
    assert office.balance()["bounced"] == 1
    primary.accept()
    # Its sender may be told (a message of its own); the copy can still be handed over by hand.
    office.command("message", "release", waiting["message"])
    eventually(lambda: primary.copies("up"), what="released")
    assert len(primary.copies("up")) == 1


def test_everything_wrong_with_the_settings_is_said_at_once(office: Installation) -> None:
    office.stop()
    config = office.config.read_text()
    wrong = config.replace("[server]", '[server]\ndrain = "soon"\ncolour = 3') + "\n[limits]\nrecipients = 5\n"
    office.config.write_text(wrong)
    with pytest.raises(AssertionError, match="ended at once"):
        office.start()
    said = office.log_text()
    assert all(key in said for key in ("server.drain", "server.colour", "limits.recipients"))
    office.log_file.unlink()
    office.config.write_text(config)


def test_the_log_of_the_server_proves_the_log_of_changes(office: Installation) -> None:
    since = office.log_end()
    office.command("tenant", "add", "acme")
    office.command("domain", "set", DOMAIN, "tenant=acme")
    lines = office.told("changed", since=since, count=2)
    assert [(line["what"], line["object"], line["how"]) for line in lines] == [
        ("tenant add", "acme", "command line"),
        ("domain set", DOMAIN, "command line"),
    ]
    office.stop()
    noted = f"{lines[0]['number']}:{lines[0]['seal']}"
    found = office.command("audit", "verify", "--head", noted)
    assert found["whole"] and found["head"] == f"{lines[1]['number']}:{lines[1]['seal']}"
    since = office.log_end()
    office.start()
    (stands,) = office.told("changes-stand", since=since)
    assert found["head"] == f"{stands['number']}:{stands['seal']}"
