"""Aliases: what is set, what is refused with the way named, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import desks
from tests.delivery.world import World
from xtramail.directory.alias_chains import AliasChains
from xtramail.directory.aliases import Alias, add_alias, alias_of, aliases_of, all_aliases, remove_alias, set_alias
from xtramail.directory.desk import Desk
from xtramail.directory.domain_aliases import add_domain_alias, all_domain_aliases, remove_domain_alias
from xtramail.directory.domains import add_domain, remove_domain
from xtramail.directory.users import add_user, remove_user
from xtramail.model.address import Address
from xtramail.model.errors import (
    AlreadyExists,
    BadInput,
    NoSuchAlias,
    NoSuchDomain,
    NotPermitted,
)
from xtramail.model.pending import drive
from xtramail.store import audit, keys

ANN, BOB, OUT = "ann@local.example", "bob@local.example", "zed@elsewhere.example"
SALES = "sales@local.example"


@pytest.fixture
def world() -> World:
    return World()


def add(world: World, address: str, *targets: str, desk: Desk | None = None) -> Alias:
    return drive(add_alias(desk or world.desk, address, targets))


def remove(world: World, address: str, *targets: str) -> Alias:
    return drive(remove_alias(world.desk, address, targets))


def rows(world: World) -> list[Any]:
    return world.engine.read(keys.AUDIT, lambda snap: [row for _, row in audit.newest(snap)])  # type: ignore[no-any-return]


def test_an_alias_is_added_to_shown_and_taken_off(world: World) -> None:
    assert add(world, "Sales@Local.example", ANN, OUT).targets == (ANN, OUT)
    assert add(world, SALES, BOB).targets == (ANN, OUT, BOB)
    assert alias_of(world.desk, "SALES@local.example").targets == (ANN, OUT, BOB)
    (one,) = aliases_of(world.desk, "local.example")
    assert one.targets == (ANN, OUT, BOB) and one.warnings == ()
    assert remove(world, SALES, "ANN@local.example").targets == (OUT, BOB)
    assert remove(world, SALES).targets == ()
    assert all_aliases(world.desk) == []
    told = [(row.what, row.before, row.after) for row in rows(world) if row.what.startswith("alias")]
    assert told == [
        ("alias remove", {"targets": f"{OUT}, {BOB}"}, None),
        ("alias remove", {"targets": f"{ANN}, {OUT}, {BOB}"}, {"targets": f"{OUT}, {BOB}"}),
        ("alias add", {"targets": f"{ANN}, {OUT}"}, {"targets": f"{ANN}, {OUT}, {BOB}"}),
        ("alias add", None, {"targets": f"{ANN}, {OUT}"}),
    ]


def test_a_target_counts_once_however_it_is_written(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    made = add(world, SALES, "ANN@local.example", "ann@LOCAL.example", "ann@other.example", '"ann"@local.example')
    assert made.targets == ("ANN@local.example",)
    with pytest.raises(AlreadyExists, match="leads there already"):
        add(world, "sales@LOCAL.example", ANN)


def test_setting_it_anew_changes_nothing_and_tells_nothing(world: World) -> None:
    drive(set_alias(world.desk, SALES, [ANN]))
    before = len(rows(world))
    drive(set_alias(world.desk, SALES, [ANN]))
    assert len(rows(world)) == before
    assert drive(set_alias(world.desk, SALES, [BOB])).targets == (BOB,)


@pytest.mark.parametrize(
    ("address", "targets", "text"),
    [
        (SALES, [], "at least one target"),
        (SALES, ["nobody@local.example"], "no such user or alias"),
        (SALES, ["nobody@relay.example"], "no such user or alias"),
        (SALES, ["joe@[192.0.2.1]"], "name its domain"),
        (SALES, [f"{'j' * 65}@elsewhere.example"], "at most 64 octets"),
        (SALES, ["joe%x@elsewhere.example"], "none of % ! @"),
        ("sa%les@local.example", [ANN], "none of % ! @"),
        (SALES, [SALES], "there is no user of that name"),
        (SALES, [f"u{number}@elsewhere.example" for number in range(101)], "at most 100"),
        (SALES, ["no address"], "name@example.org"),
    ],
)
def test_what_leads_nowhere_is_refused(world: World, address: str, targets: list[str], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        add(world, address, *targets)
    assert all_aliases(world.desk) == []


def test_a_target_that_a_primary_may_know_is_taken(world: World) -> None:
    assert add(world, SALES, "who@ask.example", "who@any.example").targets == ("who@ask.example", "who@any.example")


def test_a_circle_is_refused_with_its_way(world: World) -> None:
    add(world, "a@local.example", ANN)
    add(world, "b@local.example", "a@local.example")
    add(world, "c@local.example", "b@local.example")
    with pytest.raises(
        BadInput, match="a@local.example -> c@local.example -> b@local.example -> a@local.example would go round"
    ):
        add(world, "a@local.example", "c@local.example")
    assert alias_of(world.desk, "a@local.example").targets == (ANN,)


def test_a_circle_by_a_plus_or_another_name_or_a_catch_all_is_one(world: World) -> None:
    drive(add_domain_alias(world.desk, "other.example", "local.example"))
    add(world, "a@local.example", ANN)
    for target in ("b+x@local.example", "b@other.example"):
        add(world, "b@local.example", "a@local.example")
        with pytest.raises(BadInput, match="round in circles"):
            add(world, "a@local.example", target)
        remove(world, "b@local.example")
    add(world, "a@ask.example", "unlisted@any.example")
    with pytest.raises(BadInput, match="@any.example -> a@ask.example -> @any.example"):
        add(world, "@any.example", "a@ask.example")


def test_a_catch_all_leads_to_somebody(world: World) -> None:
    for target in ("postmaster@local.example", "made-up@local.example"):
        with pytest.raises(BadInput):
            add(world, "@local.example", target)
    add(world, "@local.example", ANN)
    with pytest.raises(BadInput, match="made-up@local.example is itself none but by this alias"):
        add(world, "@local.example", "made-up@local.example")
    assert add(world, "@local.example", "bob+caught@local.example").targets == (ANN, "bob+caught@local.example")


def test_sixteen_in_a_row_are_followed_and_one_more_is_refused_at_either_end(world: World) -> None:
    add(world, "a1@local.example", ANN)
    for number in range(2, 17):
        add(world, f"a{number}@local.example", f"a{number - 1}@local.example")
    assert [one.address for one in world.directory.resolve(Address.parse("a16@local.example")).accounts] == [ANN]
    with pytest.raises(BadInput, match=r"a17@local.example -> a16@local.example -> .* is more than 16 aliases"):
        add(world, "a17@local.example", "a16@local.example")
    add(world, "a0@local.example", BOB)
    with pytest.raises(BadInput, match=r"a16@local.example -> .* -> a1@local.example -> a0@local.example is more"):
        add(world, "a1@local.example", "a0@local.example")


def test_a_thousand_addresses_are_the_most_and_one_more_is_refused_at_either_end(world: World) -> None:
    def part(number: int, targets: int) -> None:
        found = [f"u{number}-{one}@elsewhere.example" for one in range(targets)]
        drive(set_alias(world.desk, f"p{number}@local.example", found))

    for number in range(10):
        part(number, 98)
    add(world, "all@local.example", *(f"p{number}@local.example" for number in range(10)), ANN, BOB)
    found = world.directory.resolve(Address.parse("all@local.example"))
    assert (len(found.forwards), len(found.accounts)) == (980, 2)
    for number in (3, 4, 5):
        part(number, 100)
    with pytest.raises(BadInput, match="p6@local.example: all@local.example would stand for more than 1000 addresses"):
        part(6, 100)
    add(world, "p6@local.example", "u6-0@elsewhere.example", "u0-0@elsewhere.example", "U1-1@ELSEWHERE.example")
    for number in (11, 12):
        part(number, 100)
    with pytest.raises(BadInput, match="top@local.example would stand for more than 1000"):
        add(world, "top@local.example", "all@local.example", "p11@local.example")
    assert add(world, "top@local.example", "p11@local.example", "p12+x@local.example").targets


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_chains_never_hold_a_circle(edges: list[tuple[int, int]]) -> None:
    world = World()
    chains = AliasChains.of(world.desk)
    kept: dict[str, list[str]] = {f"n{number}@local.example": [] for number in range(8)}
    for source, target in edges:
        one, other = f"n{source}@local.example", f"n{target}@local.example"
        try:
            chains.put(one, [*kept[one], other, ANN])
        except BadInput:
            continue
        kept[one].append(other)
    # Taking away what leads nowhere more leaves nothing, unless there is a circle; naming oneself is none.
    left = {one: {other for other in targets if other != one} for one, targets in kept.items()}
    while ends := [one for one, targets in left.items() if not targets & left.keys()]:
        for one in ends:
            del left[one]
    assert not left


def test_people_are_warned_of_what_they_may_not_want(world: World) -> None:
    (own,) = add(world, ANN, BOB).warnings
    assert "the mailbox of ann@local.example gets nothing more" in own
    assert add(world, ANN, ANN).warnings == ()
    (catch_all,) = add(world, "@local.example", BOB).warnings
    assert "spam" in catch_all and "bounces" in catch_all
    asked = add(world, "@ask.example", "boss@ask.example").warnings
    assert len(asked) == 2 and "put to its primary no more" in asked[1]
    (there,) = add(world, "team@relay.example", "ray@relay.example", OUT).warnings
    assert f"forwarded by nobody here: {OUT} must get it from there" in there


def test_admins_set_and_see_what_is_theirs(world: World) -> None:
    drive(add_domain(world.desk, "theirs.example"))
    world.change_domain("local.example", tenant="ours")
    world.change_domain("theirs.example", tenant="theirs")
    ours = desks.tenant_admin(world.engine, world.clock, "ours")
    assert add(world, SALES, ANN, "nobody@theirs.example", desk=ours).targets == (ANN, "nobody@theirs.example")
    with pytest.raises(NoSuchDomain) as refused:
        add(world, "x@theirs.example", ANN, desk=ours)
    with pytest.raises(NoSuchDomain) as absent:
        add(world, "x@never.example", ANN, desk=ours)
    assert refused.value.text.replace("theirs", "never") == absent.value.text
    add(world, "x@theirs.example", SALES)
    assert [one.address for one in all_aliases(ours)] == [SALES]
    with pytest.raises(NotPermitted):
        all_aliases(desks.user(world.engine, world.clock, ANN))
    # What they cannot see is no circle to them; the server's own walk ends by itself.
    add(world, SALES, "x@theirs.example", desk=ours)
    found = world.directory.resolve(Address.parse(SALES))
    assert [one.address for one in found.accounts] == [ANN] and found.forwards == ()


def test_nobody_is_removed_to_whom_an_alias_leads(world: World) -> None:
    add(world, SALES, BOB, ANN)
    add(world, ANN, ANN, OUT)
    with pytest.raises(NotPermitted, match="user bob@local.example: sales@local.example leads there"):
        drive(remove_user(world.desk, Address.parse(BOB)))
    remove(world, SALES, BOB)
    drive(remove_user(world.desk, Address.parse(BOB)))
    add(world, "all@local.example", SALES)
    with pytest.raises(NotPermitted, match="alias sales@local.example: all@local.example leads there"):
        remove(world, SALES)


def test_no_user_is_added_under_the_name_of_an_alias_that_leads_elsewhere(world: World) -> None:
    add(world, SALES, BOB)
    with pytest.raises(AlreadyExists, match="sales@local.example is an alias of bob@local.example"):
        drive(add_user(world.desk, Address.parse("Sales@local.example")))


def test_no_domain_is_removed_to_which_an_alias_leads_or_which_has_another_name(world: World) -> None:
    add(world, SALES, "who@any.example")
    with pytest.raises(NotPermitted, match="sales@local.example leads there"):
        drive(remove_domain(world.desk, "any.example"))
    remove(world, SALES)
    drive(add_domain_alias(world.desk, "other.example", "any.example"))
    with pytest.raises(NotPermitted, match="other.example is another name of it"):
        drive(remove_domain(world.desk, "any.example"))
    drive(remove_domain_alias(world.desk, "other.example"))
    drive(remove_domain(world.desk, "any.example"))


def test_another_name_that_would_make_a_circle_of_aliases_is_refused(world: World) -> None:
    add(world, "a@local.example", "b@later.example")
    add(world, "b@local.example", "a@local.example")
    with pytest.raises(BadInput, match="a@local.example -> b@local.example -> a@local.example would go round"):
        drive(add_domain_alias(world.desk, "later.example", "local.example"))
    assert all_domain_aliases(world.desk) == []
    drive(add_domain_alias(world.desk, "later.example", "any.example"))


def test_an_alias_is_gone_with_its_domain(world: World) -> None:
    add(world, "x@any.example", ANN)
    drive(remove_domain(world.desk, "any.example"))
    drive(add_domain(world.desk, "any.example"))
    assert all_aliases(world.desk) == []


def test_what_is_not_there_is_not_found(world: World) -> None:
    calls: tuple[Callable[[], Alias], ...] = (lambda: alias_of(world.desk, SALES), lambda: remove(world, SALES))
    for call in calls:
        with pytest.raises(NoSuchAlias, match="it is no alias"):
            call()
    add(world, SALES, ANN)
    with pytest.raises(NoSuchAlias, match="is no target of it"):
        remove(world, SALES, BOB)


def test_a_target_that_is_gone_keeps_nobody_from_adding_another(world: World) -> None:
    add(world, SALES, "who@ask.example")
    assert not drive(world.directory.ask(Address.parse("who@ask.example")))
    with pytest.raises(BadInput, match="no such user or alias"):
        add(world, "other@local.example", "who@ask.example")
    assert add(world, SALES, ANN).targets == ("who@ask.example", ANN)


def test_other_names_of_domains(world: World) -> None:
    made = drive(add_domain_alias(world.desk, "Bücher.example", "LOCAL.example"))
    assert (made.name, made.domain) == ("xn--bcher-kva.example", "local.example")
    with pytest.raises(AlreadyExists, match="another name of local.example already"):
        drive(add_domain_alias(world.desk, "bücher.example", "any.example"))
    with pytest.raises(AlreadyExists, match="served with users of its own"):
        drive(add_domain_alias(world.desk, "any.example", "local.example"))
    with pytest.raises(NoSuchDomain):
        drive(add_domain_alias(world.desk, "third.example", "bücher.example"))
    with pytest.raises(AlreadyExists, match="another name of local.example"):
        drive(add_domain(world.desk, "bücher.example"))
    admin = desks.domain_admin(world.engine, world.clock, "local.example")
    with pytest.raises(NotPermitted):
        drive(add_domain_alias(admin, "x.example", "local.example"))
    assert [one.name for one in all_domain_aliases(world.desk)] == ["xn--bcher-kva.example"]
    assert drive(remove_domain_alias(world.desk, "XN--bcher-kva.example")).domain == "local.example"
    with pytest.raises(NoSuchDomain, match="no other name"):
        drive(remove_domain_alias(world.desk, "bücher.example"))
    drive(add_domain(world.desk, "bücher.example"))
