"""The watch: attempts become states, states become what the queue does. With the relay and a set clock."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import RelayWorld, accept, lose, refuse
from tests.delivery.world import id_of
from xtramail.delivery.signs import ANSWERED, Signs, signs_of_canary
from xtramail.directory.holding import hold_domain, release_domain
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.model.primary import Sign, State
from xtramail.store import keys, outages, outbound
from xtramail.store.outages import Window
from xtramail.wire.smtp.client_events import Stage

RAY = "ray@relay.example"
DOMAIN = "relay.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def state(world: RelayWorld) -> State:
    return State(world.watch.state(DOMAIN).state)


def go_down(world: RelayWorld) -> None:
    world.courier.script = lose(Stage.CONNECT, "connect: refused")
    for _ in range(3):
        world.receive(RAY)
    world.ticks(times=3)
    assert state(world) is State.DOWN


def answers(world: RelayWorld, times: int = 3) -> None:
    for _ in range(times):
        drive(world.watch.saw(DOMAIN, ANSWERED))


def names(world: RelayWorld) -> list[str]:
    return [step.after for _, step in world.steps]


def test_three_refused_connections_are_an_outage_with_its_cause(world: RelayWorld) -> None:
    go_down(world)
    assert names(world) == ["suspect", "down"]
    row = world.watch.state(DOMAIN)
    assert "connect: refused" in row.cause and row.outage
    (outage,) = world.engine.read(keys.domain_scope(DOMAIN), outages.outages)
    assert (outage.id, outage.started, outage.ended) == (row.outage, world.clock.now(), 0.0)


def test_nothing_is_handed_to_a_primary_that_is_down(world: RelayWorld) -> None:
    go_down(world)
    world.courier.script = accept
    calls = len(world.courier.calls)
    number = id_of(world.receive(RAY))
    world.ticks(times=50, seconds=60)
    assert len(world.courier.calls) == calls and world.fates(number) == {RAY: Fate.HELD}


def test_after_three_good_probes_everything_is_given_back_once_and_the_outage_ends(world: RelayWorld) -> None:
    go_down(world)
    for _ in range(20):
        world.receive(RAY)
    world.courier.script = accept
    answers(world, 2)
    assert state(world) is State.DOWN
    answers(world, 1)
    assert state(world) is State.RECOVERING
    world.ticks(times=40, seconds=1)
    assert state(world) is State.UP and world.queue() == [] and world.balanced()
    assert len(world.courier.taken) == 23
    (outage,) = world.engine.read(keys.domain_scope(DOMAIN), outages.outages)
    assert outage.answered and outage.ended >= outage.answered
    assert names(world) == ["suspect", "down", "recovering", "up"]


def test_one_greylisted_message_is_no_outage(world: RelayWorld) -> None:
    world.courier.script = refuse(Stage.RCPT, 450, "4.7.1", "greylisted")
    world.receive(RAY)
    world.ticks(times=10, seconds=60)
    assert state(world) is State.UP and world.steps == []
    world.courier.script = accept
    world.ticks(times=3, seconds=600)
    assert world.queue() == []


@pytest.mark.parametrize(
    "script",
    [
        refuse(Stage.CONNECT, 421, "4.3.2", "closing"),
        refuse(Stage.CONNECT, 554, "5.3.2", "not now"),
        refuse(Stage.HELLO, 550, "", "go away"),
        refuse(Stage.MAIL, 451, "4.3.0", "trouble"),
        refuse(Stage.RCPT, 421, "4.3.2", "closing"),
        lose(Stage.STARTTLS, "TLS: handshake failed"),
        lose(Stage.DATA),
        lose(Stage.FINAL),
    ],
    ids=["421-banner", "554-banner", "550-hello", "451-mail", "421-rcpt", "tls", "drop-data", "drop-final"],
)
def test_trouble_of_the_server_itself_is_a_fault(world: RelayWorld, script: object) -> None:
    world.courier.script = script  # type: ignore[assignment]
    world.receive(RAY)
    world.ticks()
    assert state(world) is State.SUSPECT


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.FINAL])
def test_a_refusal_of_a_message_shows_a_primary_at_work(world: RelayWorld, stage: Stage) -> None:
    world.courier.script = refuse(stage, 550, "5.7.1", "no")
    for _ in range(5):
        world.receive(RAY)
    world.ticks(times=3)
    assert state(world) is State.UP and world.steps == []


def test_a_message_that_cannot_be_read_says_nothing_of_the_primary(world: RelayWorld) -> None:
    drive(world.watch.saw(DOMAIN, Signs(sign=None)))
    assert state(world) is State.UP


def test_throttling_makes_give_back_step_back_and_no_outage(world: RelayWorld) -> None:
    go_down(world)
    world.courier.script = refuse(Stage.MAIL, 451, "4.7.500", "server busy")
    for _ in range(30):
        world.receive(RAY)
    answers(world)
    calls = len(world.courier.calls)
    world.ticks(times=5, seconds=1)
    assert len(world.courier.calls) == calls + 1, "one, and then a rest"
    assert state(world) is State.RECOVERING


def test_a_primary_that_comes_and_goes_makes_no_storm_of_states(world: RelayWorld) -> None:
    go_down(world)
    for number in range(200):
        sign = ANSWERED if number % 2 else Signs(sign=Sign.FAULT, cause="refused")
        drive(world.watch.saw(DOMAIN, sign))
        world.ticks(seconds=2)
    assert state(world) is State.DOWN and len(world.steps) == 2


def test_who_wants_to_be_asked_is_asked_before_anything_is_given_back(world: RelayWorld) -> None:
    world.change_domain(DOMAIN, settings={"wait-for-ok": "on"})
    go_down(world)
    world.courier.script = accept
    answers(world)
    assert state(world) is State.HELD and world.watch.state(DOMAIN).held_by == "ok"
    world.ticks(times=5, seconds=600)
    assert len(world.queue()) == 3
    drive(release_domain(world.desk, DOMAIN))
    world.ticks(times=5, seconds=1)
    assert world.queue() == [] and state(world) is State.UP


def test_a_window_that_ends_in_an_outage_does_not_speak_for_who_wants_to_be_asked(world: RelayWorld) -> None:
    world.change_domain(DOMAIN, settings={"wait-for-ok": "on"})
    go_down(world)
    now = world.clock.now()
    window = Window(id=1, start=now, end=now + 60)
    world.engine.transact(keys.domain_scope(DOMAIN), lambda txn: outages.put_window(txn, window)).result()
    drive(world.watch.window(DOMAIN))
    world.clock.advance(60)
    drive(world.watch.window(DOMAIN))
    row = world.watch.state(DOMAIN)
    assert state(world) is State.HELD and row.held_by == "ok"
    assert row.cause == "the maintenance window is over; waits for your word"
    drive(release_domain(world.desk, DOMAIN))
    assert state(world) is State.RECOVERING


def test_what_a_person_lets_go_to_a_primary_that_is_away_does_not_make_it_up(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, DOMAIN, reason=""))
    world.receive(RAY)
    world.courier.script = lose(Stage.CONNECT, "connect: refused")
    drive(release_domain(world.desk, DOMAIN))
    world.ticks(times=3, seconds=1)
    assert state(world) is State.RECOVERING and len(world.queue()) == 1
    domain = world.directory.domain(DOMAIN)
    assert domain is not None
    world.clock.advance(16)
    assert world.watch.due(domain, idle=60, busy=15), "it is looked at as one that failed"
    answers(world, times=1)
    world.ticks()
    row = world.watch.state(DOMAIN)
    assert state(world) is State.UP and row.cause == "all that waited was tried, some of it is tried again"


def test_a_planned_hold_begins_and_ends_by_itself_and_is_one_outage(world: RelayWorld) -> None:
    now = world.clock.now()
    window = Window(id=1, start=now + 60, end=now + 3_600, reason="new disks")
    world.engine.transact(keys.domain_scope(DOMAIN), lambda txn: outages.put_window(txn, window)).result()
    drive(world.watch.window(DOMAIN))
    assert state(world) is State.UP
    world.clock.advance(60)
    drive(world.watch.window(DOMAIN))
    assert state(world) is State.HELD and world.watch.state(DOMAIN).cause == "maintenance: new disks"
    world.receive(RAY)
    world.ticks(times=3, seconds=60)
    assert len(world.queue()) == 1
    world.clock.advance(3_600)
    drive(world.watch.window(DOMAIN))
    world.ticks(times=3, seconds=1)
    assert world.queue() == [] and state(world) is State.UP
    assert world.engine.read(keys.domain_scope(DOMAIN), outages.windows) == []


def test_a_release_within_a_window_is_not_undone_by_it(world: RelayWorld) -> None:
    now = world.clock.now()
    for number, start in enumerate((now, now + 7_200), 1):
        window = Window(id=number, start=start, end=start + 3_600)
        world.engine.transact(keys.domain_scope(DOMAIN), partial(outages.put_window, row=window)).result()
    drive(world.watch.window(DOMAIN))
    drive(release_domain(world.desk, DOMAIN))
    drive(world.watch.window(DOMAIN))
    world.ticks(times=3, seconds=1)
    assert state(world) is State.UP
    assert [one.id for one in world.engine.read(keys.domain_scope(DOMAIN), outages.windows)] == [2]


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("250 2.1.5 Ok", Sign.GOOD),
        ("450 4.2.0 greylisted", Sign.GOOD),
        ("451 4.7.1 come again", Sign.GOOD),
        ("452 4.5.3 too many", Sign.GOOD),
        ("451 4.3.0 no directory", Sign.FAULT),
        ("421 4.7.0 closing", Sign.FAULT),
        ("550 5.1.1 nobody", Sign.FAULT),
    ],
)
def test_a_canary_that_is_put_off_is_no_fault_and_one_that_is_refused_is(text: str, sign: Sign) -> None:
    code, enhanced, words = text.split(" ", 2)
    assert signs_of_canary(Reply.of(int(code), enhanced, words), "it").sign is sign


def test_a_persons_hold_outlives_the_window_it_was_made_in(world: RelayWorld) -> None:
    now = world.clock.now()
    window = Window(id=1, start=now, end=now + 60)
    world.engine.transact(keys.domain_scope(DOMAIN), lambda txn: outages.put_window(txn, window)).result()
    drive(world.watch.window(DOMAIN))
    drive(hold_domain(world.desk, DOMAIN, reason="not yet"))
    world.clock.advance(120)
    drive(world.watch.window(DOMAIN))
    assert state(world) is State.HELD and world.watch.state(DOMAIN).held_by == "admin"


def test_held_mail_is_there_on_day_13_and_reported_on_day_14(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, DOMAIN, reason=""))
    number = id_of(world.receive(RAY, sender="ann@local.example"))
    world.ticks(seconds=13 * 86_400.0)
    assert world.fates(number) == {RAY: Fate.HELD}
    world.ticks(seconds=86_400.0)
    assert world.fates(number) == {RAY: Fate.BOUNCED}
    assert world.balanced()


def test_states_survive_a_restart(world: RelayWorld) -> None:
    go_down(world)
    world.start()
    calls = len(world.courier.calls)
    world.ticks(times=5, seconds=60)
    assert state(world) is State.DOWN and len(world.courier.calls) == calls


def test_people_are_warned_a_day_before_mail_is_given_up_and_once_a_day(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, DOMAIN, reason=""))
    world.receive(RAY)
    assert world.overdue().risks == ()
    world.clock.advance(13 * 86_400.0 + 60)
    (risk,) = world.overdue().risks
    assert (risk.destination, risk.messages) == (DOMAIN, 1)
    assert world.watch.at_risk(risk) and not world.watch.at_risk(risk)


def test_what_was_queued_anew_does_not_hide_what_is_given_up_behind_it(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, DOMAIN, reason=""))
    world.receive(RAY, sender="ann@local.example")
    (waits,) = world.queue()
    world.clock.advance(13 * 86_400.0 + 60)
    world.receive(RAY, sender="ann@local.example")
    fresh = next(one for one in world.queue() if one.id != waits.id)
    again = replace(fresh, arrival=waits.arrival - 86_400.0)
    world.engine.transact(keys.QUEUE, lambda txn: outbound.update(txn, again)).result()
    assert [risk.first for risk in world.overdue().risks] == [waits.expires]
    world.clock.advance(86_400.0)
    assert world.overdue().expired == (waits.id,)


def test_every_step_is_kept_and_told(world: RelayWorld) -> None:
    go_down(world)
    scope = keys.domain_scope(DOMAIN)
    kept = world.engine.read(scope, outages.transitions)
    assert [(step.before, step.after) for step in kept] == [("suspect", "down"), ("up", "suspect")]
    assert [(name, step.after) for name, step in world.steps] == [(DOMAIN, "suspect"), (DOMAIN, "down")]
