from __future__ import annotations

import pytest

from tests.delivery.world import MESSAGE, PEER, World, forward, rcpt, reverse
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath
from xtramail.model.outcome import Reply
from xtramail.store.memory_engine import MemoryEngine


@pytest.fixture
def world() -> World:
    return World()


def answer(world: World, recipient: str, sender: str = "zoe@sender.example", size: int | None = None) -> str:
    transaction = world.intake.begin(PEER)
    assert transaction.mail_from(reverse(sender, size=size)).code == 250
    return rcpt(transaction, recipient).text


# The classic forms by which hosts were made to relay; local part, domain.
RELAY_FORMS = [
    ("victim", "outside.example"),
    ("victim%outside.example", "local.example"),
    ("victim%outside.example", "relay.example"),
    ("victim%outside.example", "any.example"),
    ("victim%outside.example", "ask.example"),
    ("victim%outside.example", ""),
    ("victim%outside.example", "mx.host.example"),
    ("victim%outside.example", "[192.0.2.1]"),
    ("victim%outside.example%relay.example", "relay.example"),
    ("outside.example!victim", "local.example"),
    ("outside.example!victim", "relay.example"),
    ("outside.example!victim", "any.example"),
    ("outside.example!victim", ""),
    ("outside.example!victim", "[127.0.0.1]"),
    ("mx.host.example!outside.example!victim", "relay.example"),
    ("victim@outside.example", "local.example"),
    ("victim@outside.example", "relay.example"),
    ("victim@outside.example", "any.example"),
    ("victim@outside.example", ""),
    ("victim@outside.example", "mx.host.example"),
    ("@relay.example:victim@outside.example", "relay.example"),
    ("victim", "[192.0.2.1]"),
    ("victim", "[IPv6:2001:db8::1]"),
    ("victim", "sub.relay.example"),
    ("victim@outside.example%local.example", "relay.example"),
]


@pytest.mark.parametrize("sender", ["zoe@sender.example", "", "ann@local.example"])
@pytest.mark.parametrize(("local", "domain"), RELAY_FORMS)
def test_no_form_of_recipient_makes_us_relay(world: World, local: str, domain: str, sender: str) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse(sender))
    reply = transaction.rcpt_to(ForwardPath(address=Address(local=local, domain=domain)))
    assert isinstance(reply, Reply)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert world.primary.asked == []


def test_there_are_twenty_five_forms() -> None:
    assert len(set(RELAY_FORMS)) == 25


@pytest.mark.parametrize("recipient", ["nobody@local.example", "nobody@relay.example"])
def test_an_unknown_recipient_is_refused_at_once(world: World, recipient: str) -> None:
    assert answer(world, recipient).startswith("550 5.1.1")


@pytest.mark.parametrize("recipient", ["ann@local.example", "ANN@Local.Example.", "who@any.example"])
def test_a_known_recipient_is_taken(world: World, recipient: str) -> None:
    assert answer(world, recipient).startswith("250 2.1.5")


def test_the_primary_is_asked_once_and_its_yes_makes_a_mailbox(world: World) -> None:
    world.primary.knows["eve"] = Reply.of(250, "2.1.5", "ok")
    assert answer(world, "eve@ask.example").startswith("250")
    assert answer(world, "eve@ask.example").startswith("250")
    assert world.primary.asked == ["eve@ask.example"]
    assert world.receive("eve@ask.example").code == 250
    account = world.directory.account("eve@ask.example")
    assert account is not None
    assert len(world.mailbox(account)) == 1


def test_the_primarys_no_is_a_no(world: World) -> None:
    assert answer(world, "eve@ask.example").startswith("550 5.1.1")


def test_no_answer_is_a_temporary_refusal(world: World) -> None:
    world.primary.knows["eve"] = None
    assert answer(world, "eve@ask.example").startswith("450 4.4.1")


def test_at_most_ten_questions_a_message(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    replies = [rcpt(transaction, f"u{number}@ask.example").text for number in range(12)]
    assert [reply[:3] for reply in replies] == ["550"] * 10 + ["450"] * 2
    assert len(world.primary.asked) == 10
    assert rcpt(transaction, "ann@local.example").code == 250


def test_questions_of_one_message_take_thirty_seconds_at_most(world: World) -> None:
    ask = world.primary.ask

    def slow(domain: object, address: Address) -> object:
        world.clock.advance(16)
        return ask(domain, address)  # type: ignore[arg-type]

    world.primary.ask = slow  # type: ignore[method-assign, assignment]
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    replies = [rcpt(transaction, f"u{number}@ask.example").code for number in range(4)]
    assert replies == [550, 550, 450, 450]


@pytest.mark.parametrize("local", ["postmaster", "Postmaster", "abuse", "ABUSE"])
@pytest.mark.parametrize("domain", ["local.example", "relay.example", "ask.example", "any.example"])
def test_postmaster_and_abuse_are_always_accepted(world: World, local: str, domain: str) -> None:
    assert world.receive(f"{local}@{domain}").code == 250
    assert world.primary.asked == []
    if domain == "local.example":
        assert len(world.mailbox(world.ann)) == 1
    else:
        assert world.queue()[0].recipients[0].address == f"{local}@{domain}"


def test_postmaster_of_a_local_domain_is_its_contact(world: World) -> None:
    world.change_domain("local.example", settings={"contact": "bob@local.example"})
    world.receive("postmaster@local.example")
    assert len(world.mailbox(world.bob)) == 1


def test_postmaster_without_a_domain_is_accepted(world: World) -> None:
    assert world.receive("postmaster").code == 250
    assert len(world.queue()) + len(world.mailbox(world.ann)) == 1


def test_a_local_mailbox_over_quota_is_refused_for_now(world: World) -> None:
    world.change_account(world.ann, quota=len(MESSAGE))
    assert answer(world, "ann@local.example", size=len(MESSAGE) + 1).startswith("452 4.2.2")
    assert world.receive("ann@local.example").code == 250
    assert answer(world, "ann@local.example").startswith("452 4.2.2")
    assert answer(world, "bob@local.example").startswith("250")


def test_mail_for_a_primary_is_never_refused_for_quota(world: World) -> None:
    world.change_account(world.ray, quota=1)
    assert answer(world, "ray@relay.example", size=10_000).startswith("250")


def test_mail_is_refused_while_space_is_low() -> None:
    world = World(engine=MemoryEngine(capacity=60_000), message_size=10_000)
    for _ in range(100):
        transaction = world.intake.begin(PEER)
        reply = transaction.mail_from(reverse("zoe@sender.example"))
        if reply.code != 250:
            break
        assert world.receive("ann@local.example").code == 250
    assert reply.text.startswith("452 4.3.1")
    assert 0 < world.engine.free_bytes() < 20_000


def test_a_domain_that_is_no_domain_is_a_bad_address(world: World) -> None:
    transaction = world.intake.begin(PEER)
    transaction.mail_from(reverse("zoe@sender.example"))
    reply = transaction.rcpt_to(ForwardPath(address=Address(local="ann", domain="-bad-.example")))
    assert isinstance(reply, Reply)
    assert reply.text.startswith("501 5.1.3")


def test_a_list_of_a_domain_that_has_no_primary_any_more_is_unknown(world: World) -> None:
    world.change_domain("relay.example", primaries=())
    assert answer(world, "staff@relay.example").startswith("550 5.1.1")


def test_as_written_means_as_written(world: World) -> None:
    assert str(forward("Ray@Relay.example").address) == "Ray@Relay.example"
