"""What becomes of an address, by what is known now; and what is asked of the primary."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.world import World
from xtramail.directory.directory import BAD_SECONDS, GOOD_SECONDS, Standing
from xtramail.directory.primaries import step
from xtramail.directory.users import account_of
from xtramail.model.address import Address
from xtramail.model.errors import PrimaryDown, StoreFull
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.model.primary import Event

YES = Reply.of(250, "2.1.5", "ok")


@pytest.fixture
def world() -> World:
    return World()


def standing(world: World, address: str) -> Standing:
    return world.directory.resolve(Address.parse(address)).standing


def ask(world: World, address: str) -> bool:
    return drive(world.directory.ask(Address.parse(address)))


def test_addresses_are_known_in_any_spelling(world: World) -> None:
    assert standing(world, "ANN@Local.Example") is Standing.LISTED
    found = world.directory.resolve(Address.parse("Ann@LOCAL.example"))
    assert [account.id for account in found.accounts] == [world.ann.id] and not found.relay
    assert standing(world, "eve@local.example") is Standing.UNKNOWN
    assert standing(world, "eve@elsewhere.example") is Standing.ELSEWHERE
    assert standing(world, "eve@any.example") is Standing.ANY
    assert standing(world, "eve@relay.example") is Standing.UNKNOWN
    assert standing(world, "eve@ask.example") is Standing.ASK


def test_a_list_is_relayed_and_kept_by_nobody(world: World) -> None:
    found = world.directory.resolve(Address.parse("staff@relay.example"))
    assert found.standing is Standing.LISTED and found.relay and found.accounts == ()


@pytest.mark.parametrize("local", ["postmaster", "ABUSE", "Postmaster"])
def test_postmaster_and_abuse_are_always_somebodys(world: World, local: str) -> None:
    assert world.directory.resolve(Address.parse(f"{local}@relay.example")).relay
    (account,) = world.directory.resolve(Address.parse(f"{local}@local.example")).accounts
    assert account.id == world.ann.id
    world.change_domain("local.example", settings={"contact": "BOB@local.example"})
    (account,) = world.directory.resolve(Address.parse(f"{local}@local.example")).accounts
    assert account.id == world.bob.id


def test_answers_are_kept_for_their_time(world: World) -> None:
    world.primary.knows["dee"] = YES
    world.change_domain("ask.example", continuity=False)
    assert ask(world, "dee@ask.example") and not ask(world, "eve@ask.example")
    assert standing(world, "Dee@ask.example") is Standing.LISTED
    assert standing(world, "eve@ask.example") is Standing.UNKNOWN
    world.clock.advance(BAD_SECONDS)
    assert standing(world, "eve@ask.example") is Standing.ASK
    world.clock.advance(GOOD_SECONDS - BAD_SECONDS)
    assert standing(world, "dee@ask.example") is Standing.ASK


def test_a_yes_makes_a_mailbox_and_without_continuity_none(world: World) -> None:
    world.primary.knows["dee"] = YES
    ask(world, "dee@ask.example")
    assert account_of(world.engine, "dee@ask.example") is not None
    world.change_domain("ask.example", continuity=False)
    world.primary.knows["fay"] = YES
    ask(world, "fay@ask.example")
    assert account_of(world.engine, "fay@ask.example") is None


@pytest.mark.parametrize("away", [None, Reply.of(451, "4.3.0", "later"), Reply.of(421, "4.3.2", "closing")])
def test_no_answer_is_no_decision_and_an_old_yes_holds(world: World, away: Reply | None) -> None:
    world.change_domain("ask.example", continuity=False)
    world.primary.knows["dee"] = YES
    ask(world, "dee@ask.example")
    world.primary.knows.update({"dee": away, "eve": away})
    world.clock.advance(10 * GOOD_SECONDS)
    assert ask(world, "dee@ask.example")
    with pytest.raises(PrimaryDown):
        ask(world, "eve@ask.example")
    assert standing(world, "eve@ask.example") is Standing.ASK


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (Reply.of(550, "5.1.1", "who?"), False),
        (Reply.of(550, "", "who?"), False),
        (Reply.of(550, "5.4.1", "Recipient address rejected: Access denied"), False),
        (Reply.of(552, "5.2.2", "mailbox full"), True),
        (Reply.of(554, "5.7.1", "we do not like you"), True),
    ],
)
def test_an_old_yes_is_undone_only_by_what_is_about_the_address(world: World, reply: Reply, good: bool) -> None:
    world.change_domain("ask.example", continuity=False)
    world.primary.knows["dee"] = YES
    ask(world, "dee@ask.example")
    world.primary.knows["dee"] = reply
    world.clock.advance(GOOD_SECONDS)
    assert ask(world, "dee@ask.example") is good
    # Of somebody unknown until now, each refusal is a no.
    world.primary.knows["new"] = reply
    assert ask(world, "new@ask.example") is False


@pytest.mark.parametrize("commits", range(3))
def test_a_kept_yes_never_stands_without_its_mailbox(world: World, commits: int) -> None:
    """Whichever of the commits fails."""
    world.primary.knows["dee"] = YES
    transact, left = world.engine.submit, [commits]

    def failing(*args: Any) -> Any:
        if left[0] == 0:
            world.engine.fail_next(StoreFull())
        left[0] -= 1
        return transact(*args)

    world.engine.submit = failing  # type: ignore[method-assign]
    with pytest.raises(StoreFull):
        ask(world, "dee@ask.example")
    found = world.directory.resolve(Address.parse("dee@ask.example"))
    assert found.standing is Standing.ASK or found.accounts


def to(world: World, *events: Event) -> None:
    for event in events:
        drive(step(world.engine, "ask.example", event, cause="shown", now=world.clock.now()))


def test_a_primary_that_is_down_is_not_asked_an_old_yes_holds_and_a_no_does_not(world: World) -> None:
    world.change_domain("ask.example", continuity=False)
    world.primary.knows["dee"] = YES
    assert ask(world, "dee@ask.example") and not ask(world, "eve@ask.example")
    to(world, Event.FAILS)
    asked = len(world.primary.asked)
    world.clock.advance(10 * GOOD_SECONDS)
    assert standing(world, "dee@ask.example") is Standing.LISTED
    for address in ("eve@ask.example", "new@ask.example"):
        assert standing(world, address) is Standing.ASK
        with pytest.raises(PrimaryDown):
            ask(world, address)
    assert ask(world, "dee@ask.example")
    assert len(world.primary.asked) == asked
    assert not world.directory.resolve(Address.parse("dee@ask.example")).up


@pytest.mark.parametrize(
    "events", [(Event.FAULT,), (Event.FAILS, Event.ANSWERS), (Event.HOLD,)], ids=["suspect", "recovering", "held"]
)
def test_while_a_primary_is_not_up_its_yes_is_believed_and_its_no_is_not(
    world: World, events: tuple[Event, ...]
) -> None:
    world.change_domain("ask.example", continuity=False)
    world.primary.knows["dee"] = YES
    ask(world, "dee@ask.example")
    to(world, *events)
    del world.primary.knows["dee"]
    world.clock.advance(GOOD_SECONDS)
    assert ask(world, "dee@ask.example")
    with pytest.raises(PrimaryDown):
        ask(world, "eve@ask.example")
    world.primary.knows["new"] = YES
    assert ask(world, "new@ask.example")


def test_whom_the_primary_knew_keeps_his_mailbox_whatever_it_says_later(world: World) -> None:
    world.primary.knows["dee"] = YES
    ask(world, "dee@ask.example")
    to(world, Event.FAILS)
    world.clock.advance(100 * GOOD_SECONDS)
    found = world.directory.resolve(Address.parse("dee@ask.example"))
    assert found.standing is Standing.LISTED and found.accounts


def test_a_sender_owns_his_address_in_any_spelling(world: World) -> None:
    assert world.directory.owns(world.ann, Address.parse("ANN@local.EXAMPLE"))
    assert not world.directory.owns(world.ann, Address.parse("bob@local.example"))
