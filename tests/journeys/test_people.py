"""Before and in an outage, for people: the way is tried before the MX moves, and a card tells users how to work on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.authority import Authority
from tests.journeys.conftest import ANN, BEN, DOMAIN, Install
from tests.journeys.harness import Installation, Refused, eventually
from tests.journeys.scripted_imap import ImapScript, ScriptedImap
from tests.journeys.scripted_primary import Script, ScriptedPrimary

SECRET = "the secret of the service"
HOME = "ann@home.test"


@pytest.fixture
def imap(primary: ScriptedPrimary, tmp_path: Path) -> Iterator[ScriptedImap]:
    certificate = Authority(tmp_path).serving("localhost")
    logins = {f"{user}*admin": SECRET for user in (ANN, BEN)}
    with ScriptedImap(primary.mailboxes, certificate, script=ImapScript(passwords=logins)) as one:
        yield one


def way_tried(server: Installation, *arguments: str) -> Any:
    """``domain test``; where it failed what it said, too. The settings file has other ports than this server."""
    listening = {"XTRAMAIL_LISTEN_SMTP": f"tcp:{server.ports['smtp']}:interface=127.0.0.1"}
    return server.command("domain", "test", DOMAIN, *arguments, environment=listening)


def failed(server: Installation, *arguments: str) -> str:
    with pytest.raises(Refused) as refused:
        way_tried(server, *arguments)
    assert refused.value.code == 1
    return refused.value.text


def relents(server: Installation, primary: ScriptedPrimary) -> None:
    """The primary takes mail once it has put something off, and the tester has had the time to see it."""
    eventually(lambda: any(one["attempts"] > 4 for one in server.queue()), what="more attempts")
    primary.play(Script())


def test_the_way_to_the_primary_is_tried_to_its_end(
    office: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    told = way_tried(office)
    assert [(one["step"], one["state"]) for one in told["steps"]] == [
        (step, "ok") for step in ("connect", "TLS", "recipient", "message", "primary")
    ]
    (message,) = primary.messages
    assert (message.sender, message.recipients) == ("", (f"postmaster@{DOMAIN}",)), "nothing ever comes back"
    assert "250 2.0.0 taken" in told["steps"][-1]["text"]
    office.command(
        "domain", "set", DOMAIN, f"primary-ca={tmp_path / 'authority.pem'}", f"primary-imap={imap.host}",
        "primary-imap-login={address}*admin", "primary-imap-secret=-", text=SECRET,
    )  # fmt: skip
    told = way_tried(office, "--to", ANN)
    assert told["good"] and told["steps"][-1]["step"] == "mailbox" and f"{ANN} has it" in told["steps"][-1]["text"]
    story = office.command("trace", told["id"])
    assert "delivered" in str(story)
    office.balance()


def test_a_primary_that_greylists_takes_it_later(office: Installation, primary: ScriptedPrimary) -> None:
    primary.play(Script(replies={"rcpt": "451 4.7.1 come again"}))
    later = threading.Thread(target=lambda: relents(office, primary))
    later.start()
    told = way_tried(office, "--to", ANN, "--wait", "60")
    later.join()
    assert [one["state"] for one in told["steps"]][-2:] == ["waits", "ok"]
    assert "451 4.7.1 come again" in told["steps"][-2]["text"]


def test_what_stands_in_the_way_is_named_with_what_to_do(
    office: Installation, primary: ScriptedPrimary, imap: ScriptedImap, tmp_path: Path
) -> None:
    primary.play(Script(known=frozenset({ANN})))
    told = failed(office, "--to", f"nobody@{DOMAIN}")
    assert '"recipient"' in told and "550" in told and "name one that exists" in told
    primary.play(Script(replies={"rcpt": "550 5.7.1 you are not trusted"}))
    told = failed(office, "--to", ANN)
    assert '"primary"' in told and "you are not trusted" in told
    primary.refuse()
    told = failed(office, "--to", ANN, "--wait", "3")
    assert '"primary"' in told and f"xtramail outage status {DOMAIN}" in told or "not taken within" in told
    primary.accept()
    primary.play(Script(discard=True))
    office.waits_for_nothing()
    eventually(lambda: office.command("outage", "status", DOMAIN)[0]["state"] == "up", what="nothing waits for a turn")
    office.command(
        "domain", "set", DOMAIN, f"primary-ca={tmp_path / 'authority.pem'}", f"primary-imap={imap.host}",
        "primary-imap-login={address}*admin", "primary-imap-secret=-", text=SECRET,
    )  # fmt: skip
    told = failed(office, "--to", ANN, "--wait", "10")
    assert '"mailbox"' in told and "does not have it" in told and "junk" in told
    office.stop()
    assert "no server runs on this store" in failed(office)


def test_who_has_logged_in_is_known_also_when_the_server_has_just_stopped(office: Installation) -> None:
    with office.imap(ANN), office.submission(ANN):
        pass
    office.stop()
    told = office.command("readiness", DOMAIN, "--nameserver", "127.0.0.1:1")
    ann, ben = told["users"]
    assert set(ann["logins"]) == {"imap", "submission"} and ben["logins"] == {}
    checks = {one["check"]: one for one in told["checks"]}
    assert (checks["passwords"]["points"], checks["logins"]["points"]) == (15, 5)
    assert checks["primary"]["points"] == 15 and checks["mx"]["points"] == "unknown"


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """The mail server of users' private addresses."""
    with ScriptedPrimary() as one:
        yield one


@pytest.mark.parametrize("point", ["", "cards.after-mail"])
def test_on_down_users_get_their_card_once(
    install: Install, primary: ScriptedPrimary, world: ScriptedPrimary, point: str
) -> None:
    # A connection that the primary drops in the middle of its greeting may be left hanging.
    impatient = ('relay.greeting-timeout="4s"', 'relay.connect-timeout="4s"')
    server = install(settings=(f'relay.smarthost="{world.host}"', *impatient))
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    for user in (ANN, BEN):
        server.add_user(user)
    server.command("user", "set", ANN, f"outside-address={HOME}")
    server.command("domain", "set", DOMAIN, "card-on-down=on", "card-contact=the help desk", "probe-idle=100ms")
    server.environment = {"XTRAMAIL_CRASH_AT": point} if point else {}
    primary.refuse()
    # It may die before anybody has seen that it is up.
    server.start(may_die=bool(point))
    if point:
        server.wait_for_death()
        server.environment = {}
        server.start()
    eventually(lambda: world.messages, what="the card is mailed")
    primary.accept()
    eventually(
        lambda: server.command("outage", "status", DOMAIN)[0]["state"] == "up", what="it is up again"
    )
    primary.refuse()
    eventually(lambda: server.command("outage", "status", DOMAIN)[0]["state"] == "down", what="down again")
    (card,) = world.messages
    assert (card.sender, card.recipients) == ("", (HOME,))
    text = card.octets.decode()
    assert "Choose IMAP, not Exchange" in text and "Questions: the help desk" in text and ANN in text
    assert server.users[ANN] not in text, "never a password"
    assert "Auto-Submitted: auto-generated" in text
    server.balance()
    assert server.command("verify")["findings"] == []
