"""A domain of which some addresses live here, some at its primary, and some at hosts of their own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.outward_world import INSIDE, NETWORK
from tests.delivery.relay_world import RelayWorld, lose
from tests.delivery.test_submission import DRAFT
from tests.delivery.world import MESSAGE, id_of, rcpt, reverse
from tests.desks import domain_admin
from xtramail.delivery.courier import Hop
from xtramail.delivery.outward import Outward
from xtramail.delivery.relay_rate import RelayRate
from xtramail.delivery.waiting import waiting
from xtramail.directory.domains import parse_change, remove_domain, set_domain
from xtramail.directory.relay_clients import RelayClients
from xtramail.directory.route_words import read
from xtramail.directory.routes import add_route, remove_route
from xtramail.model.errors import NotPermitted
from xtramail.model.outcome import Fate, Reply
from xtramail.model.pending import drive
from xtramail.store import bodies
from xtramail.store.records import QueueEntry
from xtramail.wire.smtp.client_events import Stage

SPLIT = "relay.example"
RAY, EVE, HAL = f"ray@{SPLIT}", f"eve@{SPLIT}", f"hal@{SPLIT}"


class Split(RelayWorld):
    """Hal lives here, Eve at a host of her own, Ray at the primary, who may send for the domain."""

    def __init__(self) -> None:
        super().__init__()
        self.set("recipients=ask", f"relay-from={NETWORK}")
        self.hal = self.user(HAL)
        self.route("here", HAL)
        self.route("eve.example:2525", EVE)
        clients = RelayClients(self.engine, self.clock)
        self.outward = Outward(
            clients=clients, intake=self.intake, submission=self.submission, rate=RelayRate(self.clock)
        )

    def set(self, *changes: str) -> None:
        drive(set_domain(self.desk, SPLIT, [parse_change(*one.split("=", 1)) for one in changes]))

    def route(self, host: str, user: str) -> None:
        drive(add_route(self.desk, SPLIT, read(host, user=user)))

    def destinations(self) -> list[tuple[str, str]]:
        return sorted((entry.destination, entry.recipients[0].address) for entry in self.queue())

    def returned(self, message: bytes, *recipients: str, sender: str = "zoe@sender.example") -> Reply:
        """The primary hands a message to us."""
        return self.send(self.outward.begin(INSIDE), recipients, message, sender)

    def octets_of(self, entry: QueueEntry) -> bytes:
        return bodies.read(self.engine, entry.body)[entry.body.return_path_length :]


@pytest.fixture
def world() -> Split:
    return Split()


def test_each_recipient_goes_where_he_lives_once(world: Split) -> None:
    number = id_of(world.receive(RAY, HAL, EVE))
    assert world.destinations() == [(EVE, EVE), (SPLIT, RAY)]
    assert len(world.mailbox(world.hal)) == len(world.mailbox(world.ray)) == 1
    assert world.ledger(number)[HAL].fate == Fate.DELIVERED
    world.ticks(2)
    assert sorted((str(call.hop), call.recipients) for call in world.courier.calls) == [
        ("eve.example:2525", [EVE]),
        ("primary.example:25", [RAY]),
    ]
    assert world.fates(number) == dict.fromkeys((RAY, HAL, EVE), Fate.DELIVERED)
    assert world.balanced()


def test_nobody_is_asked_about_who_lives_here_or_apart(world: Split) -> None:
    world.receive(HAL, EVE)
    assert world.primary.asked == []


def test_who_is_unknown_here_may_be_known_there(world: Split) -> None:
    world.primary.knows["new"] = Reply.of(250, "2.1.5", "ok")
    world.receive(f"new@{SPLIT}")
    assert world.destinations() == [(SPLIT, f"new@{SPLIT}")]
    transaction = world.intake.begin(INSIDE)
    transaction.mail_from(reverse("zoe@sender.example"))
    assert rcpt(transaction, f"nobody@{SPLIT}").code == 550


def test_who_lives_here_writes_to_who_lives_there_and_nothing_is_given_back_of_it(world: Split) -> None:
    letter = DRAFT.replace(b"ann@local.example", HAL.encode())
    world.submit(world.hal, RAY, EVE, HAL, message=letter)
    assert world.destinations() == [(EVE, EVE), (SPLIT, RAY)]
    assert {entry.kind for entry in world.queue()} == {"primary"}
    assert len(world.mailbox(world.hal)) == len(world.mailbox(world.hal, "Sent")) == 1


def test_what_who_lives_there_sends_is_given_back_where_he_lives(world: Split) -> None:
    eve = world.user(EVE)
    for account in (world.ray, eve):
        world.submit(account, HAL, message=DRAFT.replace(b"ann@local.example", account.address.encode()))
    assert [(one.kind, one.destination) for one in world.queue()] == [("sent", SPLIT), ("sent", EVE)]
    world.ticks(2)
    assert sorted(str(call.hop) for call in world.courier.calls) == ["eve.example:2525", "primary.example:25"]


def test_the_primary_writes_to_who_lives_here(world: Split) -> None:
    letter = DRAFT.replace(b"ann@local.example", RAY.encode())
    world.returned(letter, HAL, sender=RAY)
    assert len(world.mailbox(world.hal)) == 1 and world.queue() == []


def test_what_the_primary_looks_for_here_in_vain_does_not_go_round(world: Split) -> None:
    """It says yes to everybody, because whom it does not know it looks for here."""
    world.primary.knows["lost"] = Reply.of(250, "2.1.5", "ok")
    world.receive(f"lost@{SPLIT}")
    message = world.octets_of(world.only())
    refused = world.returned(message, f"lost@{SPLIT}")
    assert (refused.code, refused.enhanced) == (554, "5.4.6")
    assert len(world.queue()) == 1
    # Who is here all the same gets what was sent there by mistake, and from another host it is no return.
    assert world.returned(message, HAL).code == 250
    assert world.receive(RAY, message=message).code == 250


def test_who_lives_here_has_a_copy_without_continuity_and_his_own_quota_counts(world: Split) -> None:
    world.set("continuity=off")
    world.receive(HAL, RAY)
    assert len(world.mailbox(world.hal)) == 1 and world.mailbox(world.ray) == []
    world.change_account(world.hal, quota=10)
    transaction = world.intake.begin(INSIDE)
    transaction.mail_from(reverse("zoe@sender.example"))
    assert rcpt(transaction, HAL).code == 452


def test_a_host_of_one_address_that_is_away_says_nothing_of_the_primary(world: Split) -> None:
    world.courier.hosts["eve.example"] = lose(Stage.CONNECT, "refused")
    for _ in range(4):
        world.receive(EVE)
    number = id_of(world.receive(RAY))
    world.ticks(5, seconds=5)
    assert world.steps == []
    assert world.fates(number)[RAY] == Fate.DELIVERED
    assert [entry.destination for entry in world.queue()] == [EVE] * 4


def test_a_primary_that_is_away_holds_up_nobody_apart(world: Split) -> None:
    world.hold(SPLIT)
    eve, ray = id_of(world.receive(EVE)), id_of(world.receive(RAY))
    world.ticks(2)
    assert (world.fates(eve)[EVE], world.fates(ray)[RAY]) == (Fate.DELIVERED, Fate.HELD)


def test_what_waits_follows_where_its_recipient_lives_now(world: Split) -> None:
    world.courier.hosts["eve.example"] = lose(Stage.CONNECT, "refused")
    number = id_of(world.receive(EVE))
    world.ticks(1)
    drive(remove_route(world.desk, SPLIT, user=EVE))
    world.route("moved.example", EVE)
    world.clock.advance(3600)
    world.ticks(3, seconds=20)
    assert world.courier.calls[-1].hop == Hop(host="moved.example", port=25)
    assert world.fates(number)[EVE] == Fate.DELIVERED
    drive(remove_route(world.desk, SPLIT, user=EVE))
    world.receive(RAY)
    world.ticks(1)
    assert world.courier.calls[-1].hop.host == "primary.example"


def test_what_waits_for_who_is_handed_to_nobody_any_more_says_what_to_do(world: Split) -> None:
    world.user(EVE)
    world.receive(EVE)
    drive(remove_route(world.desk, SPLIT, user=EVE))
    world.route("here", EVE)
    world.ticks(1)
    (entry,) = world.queue()
    assert f"{EVE} is handed to nobody any more" in entry.last_reply + entry.recipients[0].reply


def test_users_live_here_and_others_there(world: Split) -> None:
    drive(add_route(world.desk, SPLIT, read("here")))
    world.primary.knows["new"] = Reply.of(250, "2.1.5", "ok")
    world.receive(RAY, HAL, EVE, f"staff@{SPLIT}", f"new@{SPLIT}")
    assert world.destinations() == [(EVE, EVE), (SPLIT, f"staff@{SPLIT}")]
    assert [len(entry.recipients) for entry in world.queue() if entry.destination == SPLIT] == [2]


def test_an_address_of_a_local_domain_lives_elsewhere(world: Split) -> None:
    drive(add_route(world.desk, "local.example", read("far.example", user="bob@local.example")))
    world.receive("bob@local.example", "ann@local.example")
    assert world.destinations() == [("bob@local.example", "bob@local.example")]
    world.ticks(1)
    assert [str(call.hop) for call in world.courier.calls] == ["far.example:25"]


def test_role_addresses_are_taken_wherever_they_live(world: Split) -> None:
    world.receive(f"postmaster@{SPLIT}")
    assert world.destinations() == [(SPLIT, f"postmaster@{SPLIT}")]


def test_a_domain_with_mail_for_an_address_apart_is_not_removed(world: Split) -> None:
    world.receive(EVE)
    with pytest.raises(NotPermitted, match="1 messages still wait"):
        drive(remove_domain(world.desk, SPLIT))


def test_message_is_unchanged_on_its_way_apart(world: Split) -> None:
    world.receive(EVE)
    assert world.octets_of(world.only()).endswith(MESSAGE)


def test_a_domains_queue_shows_what_waits_for_its_addresses_apart(world: Split) -> None:
    world.receive(EVE, RAY)
    assert [entry.destination for entry in waiting(world.desk, SPLIT)] == [SPLIT, EVE]
    dora = domain_admin(world.engine, world.clock, SPLIT)
    assert len(waiting(dora)) == len(waiting(dora, SPLIT)) == 2 and len(waiting(dora, SPLIT, limit=1)) == 1
    stranger = domain_admin(world.engine, world.clock, "local.example")
    assert waiting(stranger) == waiting(stranger, SPLIT) == []


LIVES = st.sampled_from(["here", "apart", "there", "both apart"])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(lives=st.lists(LIVES, min_size=4, max_size=4), to=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_whoever_is_named_and_wherever_he_lives_each_has_one(lives: list[str], to: list[int]) -> None:
    """Four users, one list and one whom the primary knows; named in any order, and more than once."""
    world = Split()
    users = [world.user(f"u{number}@{SPLIT}") for number in range(4)]
    world.primary.knows["new"] = Reply.of(250, "2.1.5", "ok")
    everybody = [*(user.address for user in users), f"staff@{SPLIT}", f"new@{SPLIT}"]
    for user, place in zip(users, lives, strict=True):
        if place == "here":
            world.route("here", user.address)
        if "apart" in place:
            world.route("a.example", user.address)
        if place == "both apart":
            world.route("b.example", user.address)
    named = [everybody[number] for number in to]
    number = id_of(world.receive(*named))
    world.ticks(8)
    carried = sorted(one for call in world.courier.calls for one in call.recipients)
    here = {user.address for user, place in zip(users, lives, strict=True) if place == "here"}
    assert carried == sorted(set(named) - here)
    for user in users:
        assert len(world.mailbox(user)) == (user.address in named)
    assert world.fates(number) == dict.fromkeys(set(named), Fate.DELIVERED)
    assert world.queue() == [] and world.balanced()
