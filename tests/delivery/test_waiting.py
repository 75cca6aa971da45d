"""Waiting mail is seen and let go by the admins of the domain that it is for, or whose user sends it."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from tests.delivery.relay_world import RelayWorld
from tests.desks import domain_admin, user
from xtramail.delivery.release import Stored, release
from xtramail.delivery.waiting import domain_of, find_waiting, let_go, note, waiting
from xtramail.directory.audit_log import audit_rows, head
from xtramail.model.errors import BadInput, NoSuchDomain, NoSuchMessage, NotPermitted
from xtramail.model.ids import id_text
from xtramail.model.pending import drive
from xtramail.store import keys, outbound


@pytest.fixture
def world() -> RelayWorld:
    """One message for relay.example, one from local.example to the world."""
    world = RelayWorld()
    world.receive("ray@relay.example")
    message = b"From: ann@local.example\r\n\r\nHello.\r\n"
    assert world.submit(world.ann, "zoe@world.example", message=message).code == 250
    return world


def test_each_admin_sees_what_is_his(world: RelayWorld) -> None:
    relay, local = (domain_admin(world.engine, world.clock, name) for name in ("relay.example", "local.example"))
    assert len(waiting(world.desk)) == 2 and len(waiting(world.desk, limit=1)) == 1
    assert [entry.destination for entry in waiting(relay)] == ["relay.example"]
    assert [entry.destination for entry in waiting(local)] == ["world.example"]
    assert waiting(local, "relay.example") == []
    (entry,) = waiting(relay)
    assert find_waiting(relay, id_text(entry.id)) == find_waiting(relay, id_text(entry.message_id)) == [entry]
    with pytest.raises(NoSuchMessage) as hidden:
        find_waiting(local, id_text(entry.id))
    gone = id_text(entry.id + 1_000_000)
    with pytest.raises(NoSuchMessage) as missing:
        find_waiting(local, gone)
    assert hidden.value.text.replace(id_text(entry.id), gone) == missing.value.text
    with pytest.raises(BadInput):
        find_waiting(relay, "x y")
    with pytest.raises(NotPermitted):
        waiting(user(world.engine, world.clock, "ray@relay.example"))


def test_what_is_let_go_is_written_down_by_domain(world: RelayWorld) -> None:
    entries = waiting(world.desk)
    drive(let_go(world.desk, entries, outbound.release, "queue retry"))
    rows = [one.row for one in audit_rows(world.desk, most=2)]
    assert {(row.what, row.domain, row.after["messages"]) for row in rows if row.after} == {
        ("queue retry", "relay.example", 1),
        ("queue retry", "local.example", 1),
    }
    drive(note(world.desk, entries[:1], "queue bounce", "because"))
    (row,) = (one.row for one in audit_rows(world.desk, most=1))
    assert row.after is not None and row.after["reason"] == "because"
    assert id_text(entries[0].id) in str(row.after["ids"])


def test_who_may_only_look_lets_nothing_go(world: RelayWorld) -> None:
    desk = world.desk
    actor = dataclasses.replace(desk.actor, read_only=True)
    reader = dataclasses.replace(desk, actor=actor)
    before, entries = head(world.engine), world.engine.read(keys.QUEUE, outbound.entries)
    with pytest.raises(NotPermitted):
        drive(let_go(reader, entries, outbound.release, "queue retry"))
    assert head(world.engine) == before and world.engine.read(keys.QUEUE, outbound.entries) == entries


def test_a_message_is_released_again_by_who_has_the_domain_and_nobody_else(world: RelayWorld) -> None:
    (entry,) = waiting(world.desk, "relay.example")
    stored = Stored(message_id=entry.message_id, body=entry.body, reverse_path="", header_message_id="")
    wanted = {"relay.example": ["ray@relay.example"]}
    number, queued = head(world.engine)[0], world.queue()
    other = domain_admin(world.engine, world.clock, "local.example")
    with pytest.raises(NoSuchDomain):
        drive(release(other, world.ids, stored, wanted, hold_seconds=60))
    with pytest.raises(NotPermitted):
        drive(release(user(world.engine, world.clock, "ray@relay.example"), world.ids, stored, wanted, hold_seconds=60))
    assert head(world.engine)[0] == number and world.queue() == queued
    mine = domain_admin(world.engine, world.clock, "relay.example")
    done = drive(release(mine, world.ids, stored, wanted, hold_seconds=60))
    assert done.due == {"ray@relay.example": entry.id} and head(world.engine)[0] == number + 1


def test_mail_of_nobody_here_is_nobody_s_but_the_operator_s(world: RelayWorld) -> None:
    entry = waiting(world.desk)[1]
    assert domain_of(replace(entry, reverse_path="")) == "" == domain_of(replace(entry, reverse_path="<broken"))
