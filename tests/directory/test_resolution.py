"""What an address stands for, whatever way it is written, and what is handed on as it was written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.delivery.world import World
from xtramail.directory.aliases import add_alias, set_alias
from xtramail.directory.directory import Directory, Resolution, Standing
from xtramail.directory.domain_aliases import add_domain_alias
from xtramail.directory.mirrors import Keeping
from xtramail.directory.users import set_user
from xtramail.model.address import Address
from xtramail.model.outcome import Reply
from xtramail.model.pending import drive
from xtramail.store import aliases, domains, keys
from xtramail.store.aliases import AliasRow

ANN, BOB, RAY, OUT = "ann@local.example", "bob@local.example", "ray@relay.example", "zed@elsewhere.example"
YES = Reply.of(250, "2.1.5", "ok")


@pytest.fixture
def world() -> World:
    return World()


def alias(world: World, address: str, *targets: str) -> None:
    drive(add_alias(world.desk, address, targets))


def resolve(world: World, address: str) -> Resolution:
    return world.directory.resolve(Address.parse(address))


def mailboxes(world: World, address: str) -> list[str]:
    return sorted(one.address for one in resolve(world, address).accounts)


def forwards(world: World, address: str) -> list[str]:
    return sorted(map(str, resolve(world, address).forwards))


def owns(world: World, address: str) -> bool:
    return world.directory.owns(world.ann, Address.parse(address))


def test_an_alias_is_everybody_it_stands_for_each_once(world: World) -> None:
    alias(world, "sales@local.example", ANN, BOB, OUT)
    alias(world, "all@local.example", "sales@local.example", "ANN@local.example", OUT.upper())
    for address in ("sales@local.example", "All@LOCAL.example"):
        assert mailboxes(world, address) == [ANN, BOB]
        assert len(forwards(world, address)) == 1
        assert resolve(world, address).standing is Standing.LISTED and not resolve(world, address).relay


def test_who_names_himself_keeps_his_own_mail_and_who_does_not_gives_it_away(world: World) -> None:
    alias(world, ANN, ANN, OUT)
    assert mailboxes(world, ANN) == [ANN] and forwards(world, ANN) == [OUT]
    drive(set_alias(world.desk, ANN, [BOB]))
    assert mailboxes(world, ANN) == [BOB] and forwards(world, ANN) == []


def test_of_what_is_handed_on_an_alias_decides_only_whose_mailboxes_get_a_copy(world: World) -> None:
    world.user("rob@relay.example")
    alias(world, "team@relay.example", RAY, "rob@relay.example", ANN, OUT, "who@ask.example", "staff@relay.example")
    found = resolve(world, "team@relay.example")
    assert found.relay and found.destination == "relay.example" and found.forwards == ()
    assert sorted(one.address for one in found.accounts) == [ANN, RAY, "rob@relay.example"]
    world.change_domain("local.example", tenant="somebody else")
    assert mailboxes(world, "team@relay.example") == [RAY, "rob@relay.example"]


def test_what_lives_here_is_forwarded_to_those_who_are_handed_their_mail(world: World) -> None:
    alias(world, "team@local.example", ANN, RAY, "staff@relay.example", "who@any.example")
    assert mailboxes(world, "team@local.example") == [ANN]
    assert forwards(world, "team@local.example") == [RAY, "staff@relay.example", "who@any.example"]


def test_each_mailbox_keeps_its_copy_as_its_own_domain_does(world: World) -> None:
    alias(world, "team@relay.example", RAY, ANN)
    found = resolve(world, "team@relay.example")
    relay, local = world.directory.domain("relay.example"), world.directory.domain("local.example")
    assert relay is not None and local is not None
    assert found.keeping == Keeping(relay.retention_class, 90)
    assert found.keepings == {world.ann.id: Keeping(local.retention_class, 30)}


def test_a_plus_does_not_count_unless_the_address_is_listed_or_the_domain_says_so(world: World) -> None:
    assert mailboxes(world, "Ann+Shop@local.example") == [ANN]
    assert mailboxes(world, "ann+a+b@local.example") == [ANN]
    assert resolve(world, "eve+x@local.example").standing is Standing.UNKNOWN
    assert resolve(world, "+x@local.example").standing is Standing.UNKNOWN
    world.user("ann+listed@local.example")
    assert mailboxes(world, "ann+listed@local.example") == ["ann+listed@local.example"]
    alias(world, "sales@local.example", BOB)
    assert mailboxes(world, "sales+x@local.example") == [BOB]
    alias(world, "sales+vip@local.example", ANN)
    assert mailboxes(world, "sales+vip@local.example") == [ANN]
    world.change_domain("local.example", settings={"plus-addressing": "off"})
    assert resolve(world, "ann+shop@local.example").standing is Standing.UNKNOWN


def test_a_primary_is_asked_for_a_plus_that_it_need_not_know(world: World) -> None:
    world.user("dee@ask.example")
    found = resolve(world, "dee+x@ask.example")
    assert found.standing is Standing.ASK and [one.address for one in found.accounts] == ["dee@ask.example"]
    world.primary.knows["dee+x"] = YES
    assert drive(world.directory.ask(Address.parse("dee+x@ask.example")))
    found = resolve(world, "dee+x@ask.example")
    assert found.standing is Standing.LISTED and [one.address for one in found.accounts] == ["dee@ask.example"]
    assert world.directory.account("dee+x@ask.example") is None
    assert resolve(world, "ray+x@relay.example").standing is Standing.LISTED


def test_a_catch_all_takes_what_is_not_listed_and_asks_nobody(world: World) -> None:
    alias(world, "@local.example", BOB)
    alias(world, "@ask.example", "boss@ask.example", BOB)
    assert mailboxes(world, "made-up@local.example") == [BOB]
    assert mailboxes(world, ANN) == [ANN] and mailboxes(world, "ann+x@local.example") == [ANN]
    assert mailboxes(world, "postmaster@local.example") == [ANN]
    found = resolve(world, "made-up@ask.example")
    assert found.standing is Standing.ANY and found.relay and [one.address for one in found.accounts] == [BOB]
    assert not world.directory.owns(world.bob, Address.parse("made-up@local.example"))


def test_another_name_of_a_domain_is_the_same_people(world: World) -> None:
    drive(add_domain_alias(world.desk, "bücher.example", "local.example"))
    drive(add_domain_alias(world.desk, "other.example", "ask.example"))
    alias(world, "sales@local.example", BOB)
    for name in ("bücher.example", "XN--bcher-kva.example"):
        assert mailboxes(world, f"ann@{name}") == [ANN] and mailboxes(world, f"sales+x@{name}") == [BOB]
        assert resolve(world, f"eve@{name}").standing is Standing.UNKNOWN
    account = world.directory.account("ann@xn--bcher-kva.example")
    assert account is not None and account.id == world.ann.id
    world.primary.knows["dee"] = YES
    assert resolve(world, "Dee@other.example").standing is Standing.ASK
    assert drive(world.directory.ask(Address.parse("Dee@other.example")))
    assert world.primary.asked == ["Dee@other.example"]
    found = resolve(world, "dee@other.example")
    assert found.relay and found.destination == "ask.example"
    assert [one.address for one in found.accounts] == ["Dee@ask.example"]


@pytest.mark.parametrize("contact", ["", "bob@LOCAL.example", OUT, "gone@local.example", "postmaster@local.example"])
def test_postmaster_is_always_somebody(world: World, contact: str) -> None:
    world.change_domain("local.example", settings={"contact": contact})
    found = resolve(world, "Postmaster@local.example")
    assert found.standing is Standing.LISTED
    if contact == OUT:
        assert list(map(str, found.forwards)) == [OUT] and not found.accounts
    else:
        assert [one.address for one in found.accounts] == [BOB if contact.startswith("bob") else ANN]


def test_a_contact_of_another_domain_is_not_our_user_of_that_name(world: World) -> None:
    world.change_domain("local.example", settings={"contact": "bob@elsewhere.example"})
    assert mailboxes(world, "postmaster@local.example") == []
    assert forwards(world, "postmaster@local.example") == ["bob@elsewhere.example"]


def test_postmaster_of_a_domain_without_anybody_is_the_operator(world: World) -> None:
    world.domain("empty.example")
    assert forwards(world, "abuse@empty.example") == []
    directory = Directory(engine=world.engine, clock=world.clock, asker=world.primary, operator=(OUT,))
    found = directory.resolve(Address.parse("abuse@empty.example"))
    assert list(map(str, found.forwards)) == [OUT]


def test_an_address_that_stands_for_a_user_is_his(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    alias(world, "sales@local.example", ANN, BOB, OUT)
    alias(world, "@local.example", ANN)
    for address in (ANN, "ann+x@local.example", "Ann@other.example", "sales@local.example", "sales@other.example"):
        assert owns(world, address), address
    for address in (BOB, "made-up@local.example", OUT, "ann@elsewhere.example", RAY):
        assert not owns(world, address), address


def test_a_user_who_became_a_list_gets_nothing(world: World) -> None:
    alias(world, "sales@local.example", ANN, BOB)
    world.change_domain("local.example", primaries=(("primary.example", 25),))
    drive(set_user(world.desk, Address.parse(BOB), kind="list"))
    assert mailboxes(world, "sales@local.example") == [ANN]


nodes = st.integers(0, 5)


@given(st.dictionaries(nodes, st.lists(nodes, min_size=1, max_size=4), max_size=6), st.booleans())
@settings(derandomize=True, deadline=None, max_examples=150)
def test_whatever_rows_there_are_every_walk_ends_and_finds_all_once(graph: dict[int, list[int]], relay: bool) -> None:
    """Rows that nobody could set, such as circles between admins who do not see each other."""
    world = World()
    name = "relay.example" if relay else "local.example"
    ends = {number: world.user(f"n{number}@{name}") for number in range(6) if number not in graph}

    def put(txn: object) -> None:
        for number, targets in graph.items():
            row = AliasRow(local=f"n{number}", targets=tuple(f"N{one}@{name}" for one in targets))
            aliases.put_alias(txn, f"n{number}", row)  # type: ignore[arg-type]

    world.engine.transact(keys.domain_scope(name), put).result()
    for start in range(6):
        reached, todo = set(), [start]
        while todo:
            one = todo.pop()
            if one not in reached:
                reached.add(one)
                todo += graph.get(one, [])
        found = [one.id for one in resolve(world, f"n{start}@{name}").accounts]
        assert sorted(found) == sorted(ends[one].id for one in reached if one in ends)


def test_a_thousand_addresses_are_the_most_that_one_stands_for(world: World) -> None:
    def put(txn: object) -> None:
        for number in range(40):
            targets = tuple(f"u{number}-{one}@local.example" for one in range(40))
            aliases.put_alias(txn, f"part{number}", AliasRow(local=f"part{number}", targets=targets))  # type: ignore[arg-type]
        parts = tuple(f"part{number}@local.example" for number in range(40))
        aliases.put_alias(txn, "all", AliasRow(local="all", targets=parts))  # type: ignore[arg-type]
        assert domains.get_domain(txn) is not None  # type: ignore[arg-type]

    world.engine.transact(keys.domain_scope("local.example"), put).result()
    assert resolve(world, "all@local.example").accounts == ()
