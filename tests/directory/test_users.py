"""Users: added, changed, discovered, removed."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld, outcome
from tests.delivery.world import World
from xtramail.directory import users
from xtramail.directory.open_mail import open_mail
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain, NotPermitted, StoreFull
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.store import keys, mailboxes
from xtramail.wire.smtp.client_events import Stage, Verdict


@pytest.fixture
def world() -> World:
    return World()


def add(world: World, address: str, **options: object) -> None:
    drive(users.add_user(world.desk, Address.parse(address), **options))  # type: ignore[arg-type]


def test_a_user_has_the_special_mailboxes_and_is_known_by_any_spelling(world: World) -> None:
    world.domain("bücher.example")
    add(world, "Änn@Bücher.example")
    account = world.desk.account(Address.parse("ÄNN@xn--bcher-kva.EXAMPLE"))
    assert account.address == "Änn@Bücher.example"
    names = {row.name for row in world.engine.read(keys.user_scope(account.id), mailboxes.mailboxes)}
    assert {"INBOX", "Sent", "Drafts", "Trash", "Junk", "Archive"} <= names


def test_refusals_name_what_is_wrong_and_what_to_do(world: World) -> None:
    with pytest.raises(AlreadyExists, match="xtramail user set"):
        add(world, "ANN@local.example")
    with pytest.raises(NoSuchDomain, match="xtramail domain list"):
        add(world, "ann@other.example")
    with pytest.raises(BadInput, match="choose one of user, list, discovered"):
        add(world, "cy@local.example", kind="robot")
    with pytest.raises(NoSuchAccount, match="xtramail user list"):
        users.show(world.desk, Address.parse("nobody@local.example"))
    for options, words in (
        ({"status": "gone"}, "choose one of active, disabled"),
        ({"kind": "x"}, "choose one of user"),
        ({"quota": -1}, "quota"),
    ):
        with pytest.raises(BadInput, match=words):
            drive(users.set_user(world.desk, Address.parse("ann@local.example"), **options))  # type: ignore[arg-type]


def test_a_discovered_user_keeps_its_mail_when_it_becomes_a_real_one(world: World) -> None:
    world.primary.knows["dee"] = Reply.of(250, "", "ok")
    world.receive("dee@ask.example")
    found = world.desk.account(Address.parse("dee@ask.example"))
    assert found.kind == "discovered" and found.password == ""
    assert len(world.mailbox(found)) == 1, "kept from the first message on"
    add(world, "Dee@ask.example", password="{hash}")
    now = world.desk.account(Address.parse("dee@ask.example"))
    assert (now.id, now.kind, now.address) == (found.id, "user", "Dee@ask.example")
    assert len(world.mailbox(now)) == 1
    with pytest.raises(AlreadyExists):
        add(world, "dee@ask.example", kind="discovered")


def test_a_list_has_a_primary_that_takes_its_mail(world: World) -> None:
    world.user("team@relay.example", kind="list")
    for asked in (
        lambda: world.user("team@local.example", kind="list"),
        lambda: drive(users.set_user(world.desk, Address.parse("ann@local.example"), kind="list")),
    ):
        with pytest.raises(BadInput, match="handed to the primary and not stored, and it has none"):
            asked()
    drive(add_route(world.desk, "relay.example", read("here", user="ray@relay.example")))
    with pytest.raises(BadInput, match="it has none"):
        drive(users.set_user(world.desk, Address.parse("ray@relay.example"), kind="list"))
    drive(add_route(world.desk, "local.example", read("lists.example", user="bob@local.example")))
    drive(users.set_user(world.desk, Address.parse("bob@local.example"), kind="list"))
    world.receive("bob@local.example")
    assert [entry.destination for entry in world.queue()] == ["bob@local.example"] and world.mailbox(world.bob) == []


def test_who_was_learned_is_confirmed_and_a_list_becomes_a_user_again(world: World) -> None:
    world.primary.knows["dee"] = Reply.of(250, "", "ok")
    world.receive("dee@ask.example")
    dee, staff = Address.parse("dee@ask.example"), Address.parse("staff@relay.example")
    assert drive(users.set_user(world.desk, dee, kind="user")).kind == "user"
    assert len(world.mailbox(world.desk.account(dee))) == 1
    listed = drive(users.set_user(world.desk, staff, kind="user"))
    world.receive("staff@relay.example")
    assert len(world.mailbox(listed)) == 1 and world.queue()[-1].destination == "relay.example"


def test_a_user_has_some_settings_otherwise_than_his_domain(world: World) -> None:
    ray = Address.parse("ray@relay.example")
    drive(users.set_user(world.desk, ray, own={"sent-back": "never", "send-rate": "7"}))
    assert drive(users.set_user(world.desk, ray, own={"sent-back": ""})).settings == {"send-rate": "7"}
    with pytest.raises(BadInput, match="sent-back 'perhaps': choose one of always, outage, never"):
        drive(users.set_user(world.desk, ray, own={"sent-back": "perhaps"}))
    with pytest.raises(BadInput, match="contact: no setting of a user; choose one of recovered"):
        drive(users.set_user(world.desk, ray, own={"contact": "ann@local.example"}))


def test_a_change_is_whole_or_not_at_all(world: World) -> None:
    address = Address.parse("ann@local.example")
    world.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        drive(users.set_user(world.desk, address, quota=5, kind="discovered"))
    assert world.desk.account(address) == world.ann
    changed = drive(users.set_user(world.desk, address, quota=5, status="disabled", kind="discovered"))
    assert (changed.quota, changed.status, changed.kind) == (5, "disabled", "discovered")
    later = drive(users.set_password(world.desk, address, "{new}"))
    assert (later.password, later.password_changed, later.quota) == ("{new}", world.clock.now(), 5)


def test_a_user_is_removed_only_when_none_of_its_own_mail_is_open() -> None:
    world = RelayWorld()
    una = world.user("una@relay.example")
    world.receive("ray@relay.example", "una@relay.example")
    both = (Address.parse("ray@relay.example"), Address.parse("UNA@relay.example"))
    for address in both:
        with pytest.raises(NotPermitted, match="1 messages still wait"):
            drive(users.remove_user(world.desk, address))
    done = outcome(Verdict.DELIVERED, Stage.FINAL, Reply.of(250, "", "ok"))
    later = outcome(Verdict.DEFERRED, Stage.RCPT, Reply.of(450, "", "busy"))
    world.courier.script = lambda call: call.says(*(done if r.startswith("ray") else later for r in call.recipients))
    world.deliver(world.only())
    assert open_mail(world.engine, "relay.example") == 1
    drive(users.remove_user(world.desk, both[0]))
    with pytest.raises(NotPermitted):
        drive(users.remove_user(world.desk, both[1]))
    assert users.list_users(world.desk, "relay.example") == [
        account for account in users.list_users(world.desk, "relay.example") if account.id != world.ray.id
    ]
    assert world.directory.account("una@relay.example") == una


def test_an_account_number_is_never_given_twice(world: World) -> None:
    first = world.user("cy@local.example")
    drive(users.remove_user(world.desk, Address.parse("cy@local.example")))
    assert world.user("cy@local.example").id > first.id
