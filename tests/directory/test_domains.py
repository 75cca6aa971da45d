"""Served domains: each refusal names field, rule and next step; a change holds at once; nothing open is removed."""

from __future__ import annotations

import pytest
from twisted.python.failure import Failure

from tests.delivery.relay_world import RelayWorld
from tests.delivery.world import MESSAGE, PEER, id_of, rcpt, reverse
from xtramail.directory.domains import (
    add_domain,
    all_domains,
    parse_change,
    parse_host,
    remove_domain,
    set_domain,
)
from xtramail.directory.holding import hold_domain, release_domain
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchDomain, NotPermitted, StoreFull
from xtramail.model.outcome import Fate
from xtramail.model.pending import drive
from xtramail.net.adapter import start
from xtramail.store import keys, outbound, schema

RAY = "ray@relay.example"


@pytest.fixture
def world() -> RelayWorld:
    return RelayWorld()


def change(world: RelayWorld, name: str, *changes: str) -> None:
    parsed = [parse_change(*one.split("=", 1)) for one in changes]
    drive(set_domain(world.desk, name, parsed))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("mail.example", ("mail.example", 25)),
        (" mail.example:2525 ", ("mail.example", 2525)),
        ("[::1]:26", ("::1", 26)),
        ("[::1]", ("::1", 25)),
        ("2001:db8::1", ("2001:db8::1", 25)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
    ],
)
def test_a_host_is_written_as_people_write_it(text: str, host: tuple[str, int]) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text", ["", ":25", "a b", "a/b", "us@host", "host:0", "host:65536", "host:9999999", "host:x", "host:٣", "[::1:25"]
)
def test_what_is_no_host_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_host(text)
    assert repr(text) in refused.value.text


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("primary", "a b:x", "port is a number"),
        ("primary-tls", "maybe", "choose one of none, opportunistic, required, verify"),
        ("recipients", "some", "choose one of ask, listed, any"),
        ("continuity", "yes", "choose one of on, off"),
        ("retention-days", "0", "a number from 1 to 3650"),
        ("retention-days", "-1", "a number from 1 to 3650"),
        ("retention-days", "many", "a number from 1 to 3650"),
        ("retention-days", "99999999", "a number from 1 to 3650"),
        ("smarthost", "a/b", "write it as"),
        ("contact", "nobody", "write it as name@example.org"),
        ("colour", "5", "choose one of primary, primary-tls"),
    ],
)
def test_each_setting_refuses_by_name_and_rule(key: str, value: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_change(key, value)
    assert words in refused.value.text


def test_a_domain_is_known_by_any_spelling_of_its_name(world: RelayWorld) -> None:
    world.domain("Bücher.example")
    for name in ("bücher.EXAMPLE", "xn--bcher-kva.example.", "XN--BCHER-KVA.example"):
        assert world.desk.domain(name).name == "xn--bcher-kva.example"
    with pytest.raises(AlreadyExists, match="xtramail domain set xn--bcher-kva.example"):
        world.domain("xn--bcher-kva.example")
    with pytest.raises(NoSuchDomain, match="xtramail domain list"):
        world.desk.domain("other.example")


@pytest.mark.parametrize("name", ["", "a b", "-a.example", "x" * 64 + ".example", "a..example", "a@b"])
def test_what_is_no_domain_name_is_not_served(world: RelayWorld, name: str) -> None:
    with pytest.raises(BadInput):
        world.domain(name)
    assert len(all_domains(world.engine)) == 4


def test_a_domain_without_primary_has_nobody_to_ask(world: RelayWorld) -> None:
    assert world.domain("own.example").recipients == "listed"
    with pytest.raises(BadInput, match="no primary to ask"):
        world.domain("asks.example", recipients="ask")
    with pytest.raises(BadInput, match="set primary=HOST or recipients=listed"):
        change(world, "ask.example", "primary=")
    change(world, "ask.example", "primary=", "recipients=listed")


def test_all_changes_or_none(world: RelayWorld) -> None:
    before = world.desk.domain("relay.example")
    with pytest.raises(BadInput):
        change(world, "relay.example", "retention-days=9", "primary=", "recipients=ask")
    assert world.desk.domain("relay.example") == before
    classes = world.engine.read(keys.STORE, schema.retention_classes)
    assert classes[before.retention_class].days == 90
    world.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        change(world, "relay.example", "retention-days=9")
    assert world.desk.domain("relay.example") == before


def test_a_change_of_days_reaches_mail_that_is_kept_already(world: RelayWorld) -> None:
    change(world, "relay.example", "retention-days=9", "contact=ray@relay.example")
    row = world.desk.domain("relay.example")
    assert (row.retention_days, row.settings) == (9, {"contact": "ray@relay.example"})
    assert world.engine.read(keys.STORE, schema.retention_classes)[row.retention_class].days == 9


def test_each_domain_has_a_retention_class_of_its_own_for_ever(world: RelayWorld) -> None:
    first = world.domain("again.example").retention_class
    drive(remove_domain(world.desk, "again.example"))
    assert world.domain("again.example").retention_class != first
    assert first in world.engine.read(keys.STORE, schema.retention_classes), "its old mail still has its days"


def test_continuity_off_keeps_no_copies_and_goes_on_relaying(world: RelayWorld) -> None:
    change(world, "relay.example", "continuity=off")
    world.receive(RAY)
    assert world.mailbox(world.ray) == [] and len(world.queue()) == 1
    with pytest.raises(BadInput, match="continuity off"):
        change(world, "local.example", "continuity=off")


def test_a_held_domain_takes_mail_and_lets_it_go_on_release(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, "relay.example", reason=""))
    number = id_of(world.receive(RAY))
    assert len(world.mailbox(world.ray)) == 1
    world.ticks(times=3, seconds=100)
    assert world.courier.calls == [] and world.fates(number) == {RAY: Fate.HELD}
    drive(release_domain(world.desk, "relay.example"))
    world.ticks(2)
    assert world.fates(number) == {RAY: Fate.DELIVERED}


def test_a_domain_with_open_mail_is_not_removed_also_when_it_came_this_moment(world: RelayWorld) -> None:
    world.receive(RAY)
    with pytest.raises(NotPermitted, match="1 messages still wait for the primary; see: xtramail queue list"):
        drive(remove_domain(world.desk, "relay.example"))
    assert world.desk.domain("relay.example") and world.directory.account(RAY) is not None
    world.ticks()
    removal = remove_domain(world.desk, "relay.example")
    # Mail that arrives between the administrator's decision and its commit.
    world.engine.pause()
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    rcpt(transaction, RAY)
    transaction.chunk(MESSAGE)
    arriving, waiting = start(transaction.commit()), start(removal)
    world.engine.resume()
    assert arriving.called and isinstance(waiting.result, Failure) and waiting.result.check(NotPermitted)
    waiting.addErrback(lambda _: None)
    assert world.desk.domain("relay.example") and len(world.queue()) == 1


def test_removing_a_domain_takes_its_users_and_its_hold(world: RelayWorld) -> None:
    drive(hold_domain(world.desk, "relay.example", reason=""))
    drive(remove_domain(world.desk, "relay.example"))
    assert world.directory.account(RAY) is None and world.directory.domain("relay.example") is None
    # It is a domain of the outside world now, and mail to it must go.
    assert world.engine.read(keys.QUEUE, lambda snap: outbound.destination_closed(snap, "relay.example")) is None


def test_two_who_add_the_same_domain_at_once_do_not_both_succeed(world: RelayWorld) -> None:
    world.engine.pause()
    adding = [add_domain(world.desk, "race.example") for _ in range(2)]
    waiting = [one.send(None) for one in adding]
    world.engine.resume()
    assert all(one.done for one in waiting)
    assert drive(adding[0]).name == "race.example"
    with pytest.raises(AlreadyExists):
        drive(adding[1])
