"""When a primary goes down and comes back, people and programs elsewhere are told, once each."""

from __future__ import annotations

import contextlib
import signal
import smtplib
from collections.abc import Iterator

import pytest

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import Installation, Refused, eventually, mail
from tests.journeys.scripted_hook import ScriptedHook
from tests.journeys.scripted_primary import Script, ScriptedPrimary

OPS = "ops@provider.test"
SECRET = "what both sides know"
DOWN = f"[xtramail] {DOMAIN}: primary is down"


@pytest.fixture
def hook() -> Iterator[ScriptedHook]:
    with ScriptedHook(SECRET) as one:
        yield one


@pytest.fixture
def world() -> Iterator[ScriptedPrimary]:
    """The mail server of the people who are told."""
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def told(install: Install, primary: ScriptedPrimary, world: ScriptedPrimary, hook: ScriptedHook) -> Installation:
    # A connection that the primary drops in the middle of its greeting may be left hanging.
    impatient = ('relay.greeting-timeout="4s"', 'relay.connect-timeout="4s"')
    server = install(settings=(f'relay.smarthost="{world.host}"', 'alerts.every="2s"', *impatient))
    server.add_domain(DOMAIN, "--primary", primary.host, "--recipients", "listed")
    server.add_user(ANN)
    change = (f"alert-mail={OPS}", f"alert-webhook={hook.url}", "alert-secret=-")
    server.command("domain", "set", DOMAIN, *change, text=SECRET + "\n")
    return server.start()


def subjects(world: ScriptedPrimary) -> list[str]:
    lines = [line for one in world.messages for line in one.octets.split(b"\r\n")]
    return [line.decode().partition(": ")[2] for line in lines if line.startswith(b"Subject: ")]


def test_an_outage_is_told_once_to_people_and_once_to_programs(
    told: Installation, primary: ScriptedPrimary, world: ScriptedPrimary, hook: ScriptedHook
) -> None:
    # Put off by itself it waits already, whoever finds out first that its primary is away.
    primary.play(Script(replies={"rcpt": "450 4.2.0 not now"}))
    told.send(mail("outage"), ANN)
    primary.refuse()
    primary.play(Script())
    eventually(lambda: "down" in hook.states(DOMAIN), what="the webhook hears of it")
    eventually(lambda: DOWN in subjects(world), what="people get a mail of it")
    primary.accept()
    eventually(lambda: hook.states(DOMAIN)[-1] == "up", what="the webhook hears of its end")
    eventually(lambda: subjects(world)[-1].endswith("primary is up"), what="people hear of its end")
    assert hook.states(DOMAIN) == ["suspect", "down", "recovering", "up"]
    assert subjects(world).count(DOWN) == 1
    assert {(one.sender, one.recipients) for one in world.messages} == {("", (OPS,))}
    down = next(one for one in hook.said if one["fields"].get("to") == "down")
    assert down["fields"]["waiting"] == "1" and down["server"] == "mail.test" and hook.forged == 0
    told.waits_for_nothing()
    assert len(primary.messages) == 1
    listed = told.command("alert", "list", "--domain", DOMAIN)
    assert [one["fields"]["to"] for one in listed] == ["up", "recovering", "down", "suspect"]
    told.balance()


def outlives_mail(server: Installation) -> bool:
    """Whether it lives when somebody has sent a message, or tried."""
    if server.alive():
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.send(mail("outage"), ANN)
    return server.alive()


@pytest.mark.parametrize(
    "point", ["writer.after-commit", "alerts.after-address", "alerts.after-post", "alerts.after-mail"]
)
def test_an_alert_survives_the_death_of_the_server(
    told: Installation, primary: ScriptedPrimary, world: ScriptedPrimary, hook: ScriptedHook, point: str
) -> None:
    told.stop()
    primary.refuse()
    told.environment = {"XTRAMAIL_CRASH_AT": point if point.startswith("alerts") else f"{point}:12"}
    began = told.log_end()
    told.start(may_die=True)
    outlives_mail(told)
    eventually(
        lambda: not told.alive() or [one for one in told.log("primary-changed", since=began) if one["after"] == "down"],
        what="it is down, or died before",
    )  # fmt: skip
    if not point.startswith("alerts"):
        # What waits together is committed together: on a busy machine there were fewer commits until now.
        eventually(lambda: not outlives_mail(told), what="it dies at its commit")
    assert told.wait_for_death() == -signal.SIGKILL
    told.environment = {}
    told.start()
    told.send(mail("outage, again"), ANN)
    eventually(lambda: "down" in hook.states(DOMAIN), what="the webhook hears of it")
    eventually(lambda: DOWN in subjects(world), what="people hear of it")
    steps = {one["id"]: one["fields"]["to"] for one in hook.said if one["kind"] == "primary-state"}
    assert list(steps.values()).count("down") == 1, "one step, one id, however often it was said"
    letters = {one.octets for one in world.messages if f"Subject: {DOWN}\r\n".encode() in one.octets}
    assert len(letters) == 1, "one letter, even where its dot was given and the server died before the answer"
    told.balance()


def test_every_channel_can_be_tried(told: Installation, world: ScriptedPrimary, hook: ScriptedHook) -> None:
    tried = told.command("alert", "test", DOMAIN)
    assert [(one["channel"], one["state"]) for one in tried] == [("webhook", "told"), ("mail", "told")]
    assert [one["kind"] for one in hook.said] == ["test"]
    eventually(lambda: subjects(world) == [f"[xtramail] {DOMAIN}: this is a test"])
    hook.status = 404
    with pytest.raises(Refused, match="404"):
        told.command("alert", "test", DOMAIN)
    told.command("domain", "set", DOMAIN, "alert-mail=", "alert-webhook=")
    with pytest.raises(Refused, match="nobody is told of"):
        told.command("alert", "test", DOMAIN)
