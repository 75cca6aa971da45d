"""Who is told of an alert, when, how often, and what comes of a channel that does not take it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.delivery.world import HOSTNAME, World
from xtramail.delivery.alerts import Alerts, AlertSettings
from xtramail.delivery.webhook import Answer, Call
from xtramail.directory.primaries import step
from xtramail.model.errors import StoreFull
from xtramail.model.pending import Pending, drive
from xtramail.model.primary import Event
from xtramail.model.secret import Secret
from xtramail.store import alerts as rows
from xtramail.store import keys
from xtramail.store.alerts import AlertRow, Telling
from xtramail.store.engine import Engine

RELAY = "relay.example"
OPS = "ops@provider.example"
HOOK = "https://hooks.example/x"
OWN = {"alert-mail": OPS, "alert-webhook": HOOK, "alert-secret": "a domain's own secret"}
GOOD = Answer(good=True, text="200")
BAD = Answer(good=False, text="503")


class Told:
    def __init__(self) -> None:
        self.addressed: list[AlertRow] = []
        self.tries: list[Telling] = []

    def raised(self, row: AlertRow) -> None:
        self.addressed.append(row)

    def tried(self, row: AlertRow, telling: Telling) -> None:
        self.tries.append(telling)


class Receiver:
    """``Webhooks`` that answer as a test says; ``calls`` are what they got."""

    def __init__(self) -> None:
        self.answer: Callable[[Call], Answer] = lambda call: GOOD
        self.calls: list[Call] = []

    def post(self, call: Call) -> Pending[Answer]:
        self.calls.append(call)
        return Pending.of(self.answer(call))

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(call.body) for call in self.calls]


class AlertWorld(World):
    def __init__(self, *, engine: Engine | None = None, settings: AlertSettings | None = None) -> None:
        super().__init__(engine=engine)
        self.hooks = Receiver()
        self.told = Told()
        self.alerts = Alerts(
            engine=self.engine,
            directory=self.directory,
            own_mail=self.own_mail,
            webhooks=self.hooks,
            clock=self.clock,
            settings=settings or AlertSettings(),
            log=self.told,
        )

    def own(self, **settings: str) -> None:
        self.change_domain(RELAY, settings=settings or OWN)

    def steps(self, *events: Event) -> None:
        for event in events:
            drive(step(self.engine, RELAY, event, cause=f"it {event}", now=self.clock.now()))

    def raised(self, kind: str = "copy-skipped", domain: str = RELAY, text: str = "look") -> None:
        scope, work = rows.raised(kind, domain, text, {}, self.clock.now())
        self.engine.transact(scope, work).result()

    def round(self, seconds: float = 0) -> None:
        """What the service does after so many seconds, as often as there is something to do."""
        self.clock.advance(seconds)
        drive(self.alerts.address())
        while found := self.alerts.due():
            for due in found:
                drive(self.alerts.tell(due))

    def rows(self) -> list[AlertRow]:
        """The oldest first."""
        found: list[AlertRow] = self.engine.read(keys.ALERTS, rows.alerts)
        return found[::-1]

    def mails(self) -> list[tuple[str, str]]:
        """Recipient and text of every mail that went into our queue."""
        return [(entry.recipients[0].address, self.text(entry)) for entry in self.queue()]

    def text(self, entry: Any) -> str:
        from_store = self.octets(entry)
        return from_store.decode("ascii")


def subjects(world: AlertWorld) -> list[str]:
    return [
        line.partition(": ")[2]
        for _, text in world.mails()
        for line in text.split("\r\n\r\n")[0].split("\r\n")
        if line.startswith("Subject: ")
    ]


@pytest.fixture
def world() -> AlertWorld:
    world = AlertWorld()
    world.own()
    return world


def test_a_step_to_down_is_posted_and_mailed_once(world: AlertWorld) -> None:
    world.receive(f"ray@{RELAY}")
    before = world.queue()
    world.steps(Event.FAILS)
    world.round()
    world.round(3600)
    (call,) = world.hooks.calls
    (said,) = world.hooks.said()
    assert (call.url, call.secret, call.id) == (HOOK, Secret("a domain's own secret"), said["id"])
    assert (said["kind"], said["domain"], said["server"], said["count"]) == ("primary-state", RELAY, HOSTNAME, 1)
    assert said["fields"]["to"] == "down" and said["fields"]["waiting"] == "1" and "is down: it fails" in said["text"]
    (mail,) = [entry for entry in world.queue() if entry not in before]
    assert (mail.destination, mail.reverse_path, mail.origin) == ("provider.example", "", "dsn")
    text = world.text(mail)
    assert f"To: {OPS}\r\nSubject: [xtramail] {RELAY}: primary is down\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text and "Waiting: 1\r\n" in text
    assert f"alert-mail of {RELAY} names you" in text
    assert world.balanced()
    assert [one.state for one in world.rows()[0].tellings] == ["told", "told"]


def test_programs_hear_of_each_step_in_order_and_people_of_no_mere_suspicion(world: AlertWorld) -> None:
    world.steps(Event.FAULT, Event.ANSWERS)
    world.round()
    assert [one["fields"]["to"] for one in world.hooks.said()] == ["suspect", "up"]
    assert world.mails() == []


def test_people_get_one_mail_of_all_steps_within_the_time(world: AlertWorld) -> None:
    world.steps(Event.FAILS)
    world.round()
    for _ in range(3):
        world.steps(Event.ANSWERS)
        world.round(20)
        world.steps(Event.DRAINED, Event.FAILS)
        world.round(20)
    world.steps(Event.ANSWERS)
    world.round(30)
    assert len(world.hooks.calls) == 11
    assert subjects(world) == [f"[xtramail] {RELAY}: primary is down"]
    world.round(300)
    assert subjects(world)[1:] == [f"[xtramail] {RELAY}: primary is recovering"]
    assert "the latest of 10 since the last mail" in world.mails()[1][1]
    world.steps(Event.DRAINED)
    world.round(299)
    assert len(world.mails()) == 2
    world.round(2)
    assert subjects(world)[2:] == [f"[xtramail] {RELAY}: primary is up"]
    assert world.mails()[2][1].count("latest of") == 0


def test_a_storm_of_one_kind_is_one_alert_at_once_and_one_with_the_count(world: AlertWorld) -> None:
    world.raised(text="first")
    world.round()
    for number in range(500):
        world.raised(text=f"number {number}")
        world.round(0.1)
    assert [one["count"] for one in world.hooks.said()] == [1] and len(world.mails()) == 1
    world.round(300)
    assert [(one["count"], one["text"]) for one in world.hooks.said()] == [(1, "first"), (500, "number 499")]
    assert len(world.mails()) == 2 and "latest of 500" in world.mails()[1][1]


def test_kinds_and_domains_do_not_wait_for_each_other(world: AlertWorld) -> None:
    world.raised()
    world.raised(kind="message-held-for-refusal")
    world.round()
    world.raised(kind="mail-at-risk")
    world.round()
    assert len(world.mails()) == 3


def test_the_operator_hears_of_every_domain_and_of_the_server() -> None:
    settings = AlertSettings(mail=("boss@elsewhere.example",), webhook="https://ops.example/", secret=Secret("o" * 16))
    world = AlertWorld(settings=settings)
    world.own()
    world.steps(Event.FAILS)
    world.raised(kind="ledger-unbalanced", domain="")
    world.round()
    assert sorted(call.url for call in world.hooks.calls) == [HOOK, "https://ops.example/", "https://ops.example/"]
    assert {call.secret for call in world.hooks.calls if call.url != HOOK} == {Secret("o" * 16)}
    assert sorted(to for to, _ in world.mails()) == ["boss@elsewhere.example", "boss@elsewhere.example", OPS]


def test_who_is_named_twice_is_told_once() -> None:
    world = AlertWorld(settings=AlertSettings(mail=(OPS,), webhook=HOOK, secret=Secret("o" * 16)))
    world.own()
    world.steps(Event.FAILS)
    world.round()
    assert len(world.hooks.calls) == 1 and len(world.mails()) == 1


def test_an_alert_that_nobody_wants_to_hear_of_owes_nothing() -> None:
    world = AlertWorld()
    world.steps(Event.FAILS)
    world.raised(domain="gone.example")
    world.round()
    assert [row.tellings for row in world.rows()] == [(), ()] and not any(row.owes for row in world.rows())
    assert len(world.told.addressed) == 2


def test_a_webhook_that_fails_is_tried_again_for_a_day_and_then_given_up(world: AlertWorld) -> None:
    world.hooks.answer = lambda call: BAD
    world.steps(Event.FAILS)
    for _ in range(26 * 60):
        world.round(60)
    (row,) = world.rows()
    hook = row.tellings[0]
    assert (hook.state, hook.answer) == ("given-up", "503") and 25 < hook.attempts < 40
    assert len(world.hooks.calls) == hook.attempts
    assert len({call.body for call in world.hooks.calls}) == 1, "the same octets each time"
    assert [one.state for one in world.told.tries][-1] == "given-up"
    assert len(world.mails()) == 1, "the mail did not wait for the webhook"


def test_a_webhook_that_comes_back_is_told_in_order(world: AlertWorld) -> None:
    world.hooks.answer = lambda call: BAD
    world.steps(Event.FAILS)
    world.round()
    world.steps(Event.ANSWERS, Event.DRAINED)
    world.hooks.answer = lambda call: GOOD
    world.hooks.calls.clear()
    for _ in range(3):
        world.round(30)
    assert sorted(one["fields"]["to"] for one in world.hooks.said()) == ["down", "recovering", "up"]


def test_a_dead_receiver_with_hundreds_of_calls_holds_up_nobody_else() -> None:
    settings = AlertSettings(webhook="https://dead.example/", secret=Secret("o" * 16))
    world = AlertWorld(settings=settings)
    world.hooks.answer = lambda call: BAD if "dead" in call.url else GOOD
    for number in range(600):
        world.raised(domain=f"d{number}.example")
    for _ in range(5):
        world.round(1)
    assert len(world.hooks.calls) == 1, "it is left alone for a while"
    world.own()
    world.steps(Event.FAILS)
    world.round(1)
    assert [call.url for call in world.hooks.calls[1:]] == [HOOK] and len(world.mails()) == 1
    world.round(10)
    assert len(world.hooks.calls) == 3


def test_a_webhook_whose_setting_is_gone_is_called_no_more(world: AlertWorld) -> None:
    world.hooks.answer = lambda call: BAD
    world.steps(Event.FAILS)
    world.round()
    world.own(**{"alert-mail": OPS})
    world.round(60)
    assert len(world.hooks.calls) == 1
    assert [(one.state, one.answer) for one in world.rows()[0].tellings if one.channel == "webhook"] == [
        ("given-up", "its setting is gone")
    ]


def test_an_address_in_a_domain_that_came_to_be_served_here_is_given_up(world: AlertWorld) -> None:
    world.domain("provider.example")
    world.steps(Event.FAILS)
    world.round()
    assert world.mails() == []
    (mail,) = [one for one in world.rows()[0].tellings if one.channel == "mail"]
    assert mail.state == "given-up" and "is served here" in mail.answer


def test_nothing_is_lost_and_nothing_told_twice_when_the_process_ends_anywhere(world: AlertWorld) -> None:
    world.steps(Event.FAILS)
    # Killed right after the step's commit, then after the addresses were given, then after everything.
    for _ in range(3):
        world = AlertWorld(engine=world.engine)
        drive(world.alerts.address())
    drive(world.alerts.tell(world.alerts.due()[0]))
    again = AlertWorld(engine=world.engine)
    again.round()
    assert len(world.hooks.calls) + len(again.hooks.calls) == 1 and len(again.mails()) == 1
    last = AlertWorld(engine=world.engine)
    last.round(10_000)
    assert last.hooks.calls == [] and len(last.mails()) == 1


def test_a_kill_between_the_answer_and_our_commit_repeats_the_call_with_the_same_id(world: AlertWorld) -> None:
    world.steps(Event.FAILS)
    drive(world.alerts.address())
    world.engine.fail_next(StoreFull("full"))
    hook = next(due for due in world.alerts.due() if due.target == HOOK)
    with pytest.raises(StoreFull):
        drive(world.alerts.tell(hook))
    world.round()
    first, second = world.hooks.calls
    assert (first.id, first.body) == (second.id, second.body)


def test_a_mail_that_the_store_cannot_take_is_written_later(world: AlertWorld) -> None:
    world.own(**{"alert-mail": OPS})
    world.steps(Event.FAILS)
    drive(world.alerts.address())
    world.engine.fail_next(StoreFull("full"))
    world.round()
    assert world.mails() == []
    world.round(31)
    assert len(world.mails()) == 1 and world.balanced()


def test_a_clock_that_was_set_back_does_not_keep_alerts_for_a_year(world: AlertWorld) -> None:
    world.raised()
    world.round()
    world.clock.jump(-366 * 86_400)
    world.raised()
    world.round()
    assert len(world.mails()) == 2


def test_a_test_is_told_at_once_however_often(world: AlertWorld) -> None:
    for _ in range(3):
        world.raised(kind="test")
        world.round()
    assert len(world.hooks.calls) == 3 and len(world.mails()) == 3


def test_text_beyond_ascii_and_line_breaks_of_a_peer_add_no_header(world: AlertWorld) -> None:
    world.raised(text="caf\u00e9\r\nBcc: evil@x.example")
    world.round()
    ((_, text),) = world.mails()
    assert "Bcc" not in text.split("\r\n\r\n")[0] and "quoted-printable" in text
