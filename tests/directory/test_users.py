"""Users: added, changed, discovered, removed."""

from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld, outcome
from tests.delivery.world import World
from xtramail.directory import users
from xtramail.directory.open_mail import open_mail
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


def test_a_change_is_whole_or_not_at_all(world: World) -> None:
    address = Address.parse("ann@local.example")
    world.engine.fail_next(StoreFull())
    with pytest.raises(StoreFull):
        drive(users.set_user(world.desk, address, quota=5, kind="list"))
    assert world.desk.account(address) == world.ann
    changed = drive(users.set_user(world.desk, address, quota=5, status="disabled", kind="list"))
    assert (changed.quota, changed.status, changed.kind) == (5, "disabled", "list")
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
