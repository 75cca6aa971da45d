"""Routes: what each adds and takes away, what is refused and with which next step, and what is written down of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests import desks
from tests.delivery.world import World
from xtramail.directory.domains import parse_change, set_domain
from xtramail.directory.reachable import may_be_inside
from xtramail.directory.route_words import Route, read
from xtramail.directory.routes import add_route, all_routes, remove_route, route_of, routes_of
from xtramail.directory.tenants import add_tenant
from xtramail.directory.users import remove_user
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain, NoSuchRoute, NotPermitted
from xtramail.model.pending import drive
from xtramail.model.secret import Secret
from xtramail.store import audit, keys

RELAY = "relay.example"
RAY = f"ray@{RELAY}"


@pytest.fixture
def world() -> World:
    return World()


def add(world: World, host: str, *, domain: str = RELAY, desk: Any = None, **options: Any) -> Route:
    return drive(add_route(desk or world.desk, domain, read(host, **options)))


def listed(world: World, domain: str = RELAY) -> list[tuple[str, str, int, str]]:
    return [(one.way, one.target, one.priority, one.user) for one in routes_of(world.desk, domain)]


def primaries(world: World, domain: str = RELAY) -> tuple[tuple[str, int], ...]:
    found = world.directory.domain(domain)
    assert found is not None
    return found.primaries


def test_primary_is_the_short_way_to_name_inbound_routes(world: World) -> None:
    drive(set_domain(world.desk, RELAY, [parse_change("primary", "a.example,b.example:2525")]))
    assert listed(world) == [("in", "a.example:25", 10, ""), ("in", "b.example:2525", 20, "")]
    add(world, "c.example", priority=10)
    assert primaries(world) == (("a.example", 25), ("c.example", 25), ("b.example", 2525))
    assert [one[2] for one in listed(world)] == [10, 10, 20]
    drive(set_domain(world.desk, RELAY, [parse_change("primary", "d.example")]))
    assert listed(world) == [("in", "d.example:25", 10, "")]


def test_without_a_priority_it_is_tried_last(world: World) -> None:
    assert add(world, "b.example").priority == 20
    assert add(world, "a.example", priority=5).priority == 5
    assert add(world, "c.example").priority == 30
    assert [one[1] for one in listed(world)] == ["a.example:25", "primary.example:25", "b.example:25", "c.example:25"]


def test_smarthost_is_the_short_way_to_name_an_outbound_route(world: World) -> None:
    drive(set_domain(world.desk, RELAY, [parse_change("smarthost", "out.example")]))
    add(world, "far.example:2525", out=True, when="down", login="us", password=Secret("pass"))
    assert [one for one in listed(world) if one[0] == "out"] == [
        ("out", "out.example:587", 10, ""),
        ("out", "far.example:2525", 20, ""),
    ]
    far = route_of(world.desk, RELAY, "far.example", out=True)
    assert (far.when, far.login, far.secret) == ("down", "us", True)
    drive(remove_route(world.desk, RELAY, "out.example", out=True))
    found = world.directory.domain(RELAY)
    assert found is not None and found.smarthost == "" and len(found.outbound) == 1


def test_an_address_lives_at_hosts_of_its_own_or_here(world: World) -> None:
    add(world, "b.example", user=f"Eve@{RELAY}")
    add(world, "c.example", user=f"eve@{RELAY}", priority=5)
    add(world, "here", user=RAY)
    assert listed(world)[1:] == [
        ("in", "c.example:25", 5, f"Eve@{RELAY}"),
        ("in", "b.example:25", 10, f"Eve@{RELAY}"),
        ("in", "here", 0, RAY),
    ]
    drive(remove_route(world.desk, RELAY, "c.example", user=f"EVE@{RELAY}"))
    drive(remove_route(world.desk, RELAY, user=f"eve@{RELAY}"))
    assert listed(world)[1:] == [("in", "here", 0, RAY)]


def test_all_users_live_here(world: World) -> None:
    assert add(world, "here").target == "here"
    with pytest.raises(AlreadyExists, match="live here already"):
        add(world, "here")
    drive(remove_route(world.desk, RELAY, "here"))
    assert listed(world) == [("in", "primary.example:25", 10, "")]


def test_what_does_not_fit_is_refused_and_nothing_is_changed(world: World) -> None:
    before = listed(world)
    with pytest.raises(AlreadyExists, match="remove it first: xtramail route remove relay.example primary.example:25"):
        add(world, "primary.example")
    with pytest.raises(NoSuchDomain):
        add(world, "a.example", domain="gone.example")
    with pytest.raises(BadInput, match="must be an address in relay.example"):
        add(world, "a.example", user="ann@local.example")
    with pytest.raises(NoSuchAccount, match="nobody@relay.example does not exist"):
        add(world, "here", user=f"nobody@{RELAY}")
    with pytest.raises(BadInput, match="of type list"):
        add(world, "here", user=f"staff@{RELAY}")
    with pytest.raises(BadInput, match="has no primary, so all of it is here"):
        add(world, "here", domain="local.example")
    with pytest.raises(NoSuchRoute):
        drive(remove_route(world.desk, RELAY, "other.example"))
    with pytest.raises(NoSuchRoute):
        drive(remove_route(world.desk, RELAY, out=True))
    assert listed(world) == before


def test_the_last_host_stays_while_recipients_are_asked_for_there(world: World) -> None:
    with pytest.raises(BadInput, match="recipients ask: there is no primary to ask"):
        drive(remove_route(world.desk, "ask.example"))
    drive(remove_route(world.desk, RELAY))
    assert primaries(world) == ()


def test_of_several_one_must_be_named(world: World) -> None:
    add(world, "b.example")
    with pytest.raises(BadInput, match="name one of primary.example:25, b.example:25"):
        drive(remove_route(world.desk, RELAY))


def test_there_are_bounds(world: World) -> None:
    for number in range(15):
        add(world, f"h{number}.example")
    with pytest.raises(BadInput, match="16 such routes already"):
        add(world, "more.example")


def test_who_lived_here_and_is_removed_is_forgotten(world: World) -> None:
    add(world, "here", user=RAY)
    drive(remove_user(world.desk, Address.parse(RAY)))
    assert len(listed(world)) == 1


def test_each_change_has_one_audit_row_without_secrets(world: World) -> None:
    def rows() -> list[tuple[str, str, Any, Any]]:
        found = world.engine.read(keys.AUDIT, lambda snap: list(audit.newest(snap)))
        return [(row.what, row.object, row.before, row.after) for _, row in found]

    before = len(rows())
    add(world, "out.example", out=True, login="us", password=Secret("topsecret"))
    what, name, old, new = rows()[0]
    assert (what, name, old) == ("route add", "relay.example out.example:587 out", None)
    assert new is not None and new["password"] == "set" and "topsecret" not in str(rows())
    drive(remove_route(world.desk, RELAY, out=True))
    assert rows()[0][0] == "route remove" and rows()[0][3] is None
    add(world, "here", user=RAY)
    drive(remove_route(world.desk, RELAY, user=RAY))
    assert len(rows()) == before + 4


def test_an_admin_changes_his_domains_and_names_no_host_of_our_own_network(world: World) -> None:
    dora = desks.domain_admin(world.engine, world.clock, RELAY)
    add(world, "mail.office.example", desk=dora)
    for host in ("127.0.0.1", "10.0.0.7", "[::1]:25", "169.254.169.254", "localhost", "printer", "db.internal"):
        with pytest.raises(NotPermitted, match="ask an operator to name it"):
            add(world, host, desk=dora)
    with pytest.raises(NotPermitted, match="port 6379"):
        add(world, "mail.office.example:6379", desk=dora, user=RAY)
    with pytest.raises(NotPermitted, match="ask an operator to name it"):
        drive(set_domain(dora, RELAY, [parse_change("primary", "10.0.0.7")]))
    with pytest.raises(NoSuchDomain, match="domain local.example is not served here"):
        add(world, "mail.office.example", domain="local.example", desk=dora)
    assert {one.domain for one in all_routes(dora)} == {RELAY}
    with pytest.raises(NotPermitted):
        all_routes(desks.user(world.engine, world.clock, RAY))


def test_a_name_of_a_tenants_host_may_not_lead_into_our_network_unless_an_operator_allows_it(world: World) -> None:
    drive(add_tenant(world.desk, "office"))
    own = world.desk.domain(RELAY)
    assert may_be_inside(own, "mail.office.example"), "an operator's own domain"
    drive(set_domain(world.desk, RELAY, [parse_change("tenant", "office")]))
    theirs = world.desk.domain(RELAY)
    assert not may_be_inside(theirs, "mail.office.example")
    assert may_be_inside(theirs, "10.0.0.7"), "only an operator could have named it"
    dora = desks.domain_admin(world.engine, world.clock, RELAY, tenant="office")
    with pytest.raises(NotPermitted):
        drive(set_domain(dora, RELAY, [parse_change("inside-hosts", "on")]))
    drive(set_domain(world.desk, RELAY, [parse_change("inside-hosts", "on")]))
    assert may_be_inside(world.desk.domain(RELAY), "mail.office.example")
