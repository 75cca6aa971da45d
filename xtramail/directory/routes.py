"""Routes of a domain: where its mail is handed, which hosts carry what it sends, where single addresses live.

One object for what ``primary=`` and ``smarthost=`` of a domain say in short, with the rest that they cannot say:
priorities, when a host is used, addresses that live elsewhere or here. Owns changes, and which there are. How one is
named and shown is ``route_words``', what the server makes of them ``places``' and ``outbound``'s.
"""

from __future__ import annotations

from msgspec.structs import replace

from xtramail.directory.desk import Change, Desk
from xtramail.directory.domain_rules import check_domain
from xtramail.directory.domains import host_text
from xtramail.directory.outbound import all_carriers, smarthost
from xtramail.directory.places import STEP, USERS_LIVE, numbered
from xtramail.directory.reachable import require_reachable
from xtramail.directory.route_words import HERE, HIGHEST, MOST, NewRoute, Route
from xtramail.model.actor import Role
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain, NoSuchRoute
from xtramail.model.host import parse_host
from xtramail.store import domains, keys, places
from xtramail.store.engine import Txn
from xtramail.store.places import PlaceRow
from xtramail.store.records import DomainRow, OutboundRow


def routes_of(desk: Desk, domain: str) -> list[Route]:
    """The routes of one domain: in, out, then those of single addresses. NoSuchDomain."""
    row = desk.domain(domain)
    return [*_shared(row), *_apart(desk, row)]


def all_routes(desk: Desk) -> list[Route]:
    """Of every domain that the actor may see."""
    desk.require(Role.DOMAIN, "the list of routes")
    return [one for row in desk.domains() for one in (*_shared(row), *_apart(desk, row))]


def route_of(desk: Desk, domain: str, host: str = "", *, out: bool = False, user: str = "") -> Route:
    """``host`` empty: the only one of that way. NoSuchRoute, BadInput where there are several."""
    key = Address.parse(user).key if user else ""
    found = [
        one
        for one in routes_of(desk, domain)
        if (one.way == "out") == out and (Address.parse(one.user).key if one.user else "") == key
    ]
    return _the_one(found, host, user or domain)


async def add_route(desk: Desk, domain: str, new: NewRoute) -> Route:
    """From now on; mail that waits goes by it, too.

    Without a priority it is tried behind those there are. NoSuchDomain, NoSuchAccount, AlreadyExists, BadInput.
    """
    row = desk.domain(domain)
    if not new.here:
        require_reachable(desk, new.host, new.port)
    change = Change("route add", f"{row.name} {_name(new)}", row.name)
    if new.user is not None:
        return await _add_place(desk, row, new, new.user, change)
    made: list[Route] = []

    def put(txn: Txn) -> None:
        current = _current(txn, row.name)
        changed, route = _with(current, new)
        check_domain(changed)
        domains.put_domain(txn, changed)
        made[:] = [route]
        change.after = route.told()

    await desk.change(change, [(keys.domain_scope(row.name), put), _WAKE])
    return made[0]


async def remove_route(desk: Desk, domain: str, host: str = "", *, out: bool = False, user: str = "") -> Route:
    """``host`` empty: the only one of that way. NoSuchRoute; BadInput where another setting cannot do without it."""
    row = desk.domain(domain)
    address = Address.parse(user) if user else None
    change = Change("route remove", f"{row.name} {host or 'its only host'}", row.name)
    if address is not None:
        return await _remove_place(desk, row, address, host, change)
    gone: list[Route] = []

    def take(txn: Txn) -> None:
        current = _current(txn, row.name)
        route = _the_one([one for one in _shared(current) if (one.way == "out") == out], host, row.name)
        changed = _without(current, route)
        check_domain(changed)
        domains.put_domain(txn, changed)
        gone[:] = [route]
        change.object, change.before, change.after = f"{row.name} {route.target}", route.told(), None

    await desk.change(change, [(keys.domain_scope(row.name), take), _WAKE])
    return gone[0]


def _name(new: NewRoute) -> str:
    shown = host_text(new.host, new.port) if new.port else new.host
    return f"{shown} {'out' if new.way == 'out' else new.user or ''}".strip()


def _current(txn: Txn, name: str) -> DomainRow:
    row = domains.get_domain(txn)
    if row is None:
        raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
    return row


_WAKE = (keys.DOMAIN_CHANGES, domains.settings_changed)


# Of all of a domain.


def _shared(row: DomainRow) -> list[Route]:
    inward = [
        Route(domain=row.name, way="in", host=host, port=port, priority=number) for host, port, number in numbered(row)
    ]
    if row.settings.get(USERS_LIVE) == "here":
        inward.append(Route(domain=row.name, way="in", host=HERE))
    return inward + [
        Route(
            domain=row.name,
            way="out",
            host=one.host,
            port=one.port,
            priority=one.priority,
            when=one.when,
            login=one.user,
            secret=bool(one.password),
        )
        for one in all_carriers(row)
    ]


def _with(row: DomainRow, new: NewRoute) -> tuple[DomainRow, Route]:
    if new.here:
        if not row.primaries:
            raise BadInput(f"{HERE}: {row.name} has no primary, so all of it is here; name one first: route add HOST")
        if row.settings.get(USERS_LIVE) == "here":
            raise AlreadyExists(f"the users of {row.name} live here already; see: xtramail route list {row.name}")
        changed = replace(row, settings={**row.settings, USERS_LIVE: "here"})
        return changed, Route(domain=row.name, way="in", host=HERE)
    mine = [one for one in _shared(row) if one.way == new.way and one.host != HERE]
    if any((one.host, one.port) == (new.host, new.port) for one in mine):
        raise AlreadyExists(
            f"{host_text(new.host, new.port)} is a route of {row.name} already; to change it, remove it first: "
            f"xtramail route remove {row.name} {host_text(new.host, new.port)}{' --out' if new.way == 'out' else ''}"
        )
    if len(mine) >= MOST:
        raise BadInput(f"{row.name} has {MOST} such routes already, the most there can be; remove one first")
    number = _priority(new, [one.priority for one in mine])
    route = Route(
        domain=row.name,
        way=new.way,
        host=new.host,
        port=new.port,
        priority=number,
        when=new.when,
        login=new.login,
        secret=new.password is not None,
    )
    if new.way == "in":
        hosts = sorted([*numbered(row), (new.host, new.port, number)], key=lambda one: one[2])
        return _with_primaries(row, hosts), route
    carrier = OutboundRow(
        host=new.host,
        port=new.port,
        priority=number,
        when=new.when,
        user=new.login,
        password="" if new.password is None else new.password.reveal(),
    )
    return replace(row, outbound=(*row.outbound, carrier)), route


def _without(row: DomainRow, route: Route) -> DomainRow:
    if route.host == HERE:
        return replace(row, settings={key: value for key, value in row.settings.items() if key != USERS_LIVE})
    if route.way == "in":
        left = [one for one in numbered(row) if (one[0], one[1]) != (route.host, route.port)]
        return _with_primaries(row, left)
    named = smarthost(row)
    if named is not None and (named.host, named.port) == (route.host, route.port):
        return replace(row, smarthost="", smarthost_user="", smarthost_password="")
    return replace(
        row, outbound=tuple(one for one in row.outbound if (one.host, one.port) != (route.host, route.port))
    )


def _with_primaries(row: DomainRow, hosts: list[tuple[str, int, int]]) -> DomainRow:
    return replace(
        row,
        primaries=tuple((host, port) for host, port, _ in hosts),
        priorities=tuple(number for _, _, number in hosts),
    )


def _priority(new: NewRoute, taken: list[int]) -> int:
    if new.priority is not None:
        return new.priority
    return min(max(taken) + STEP, HIGHEST) if taken else STEP


def _the_one(found: list[Route], host: str, of: str) -> Route:
    if host and host != HERE:
        name, port = parse_host(host, 0)
        found = [one for one in found if one.host == name and port in (0, one.port)]
    elif host:
        found = [one for one in found if one.host == HERE]
    if not found:
        raise NoSuchRoute(f"{of} has no such route{f' by {host}' if host else ''}; see: xtramail route list")
    if len(found) > 1:
        raise BadInput(f"{of} has several: name one of {', '.join(one.target for one in found)}")
    return found[0]


# Of single addresses.


def _apart(desk: Desk, row: DomainRow) -> list[Route]:
    found = desk.engine.read(keys.domain_scope(row.name), places.places)
    return [route for place in found for route in _of_place(row.name, place)]


def _of_place(domain: str, place: PlaceRow) -> list[Route]:
    user = str(Address(local=place.local, domain=domain))
    if not place.hosts:
        return [Route(domain=domain, way="in", host=HERE, user=user)]
    return [
        Route(domain=domain, way="in", host=host, port=port, priority=number, user=user)
        for host, port, number in place.hosts
    ]


async def _add_place(desk: Desk, row: DomainRow, new: NewRoute, user: Address, change: Change) -> Route:
    if user.domain_key != row.name:
        raise BadInput(f"user {user}: must be an address in {row.name}")
    if new.here:
        # Its mailbox is all that there will be.
        if desk.account(user).kind == "list":
            raise BadInput(f"user {user}: of type list, which has no mailbox here; xtramail user set {user} type=user")
    made: list[Route] = []

    def put(txn: Txn) -> None:
        _current(txn, row.name)
        standing = places.get_place(txn, user.local_key)
        place = _place_with(standing, new, user, desk.now())
        if new.here:
            listed = domains.get_recipient(txn, user.local_key)
            if listed is None or listed.account_id == 0:
                raise NoSuchAccount(f"user {user.key} does not exist; see: xtramail user list")
        places.put_place(txn, user.local_key, place)
        made[:] = [one for one in _of_place(row.name, place) if (one.host, one.port) == (new.host, new.port)]
        change.after = made[0].told()

    await desk.change(change, [(keys.domain_scope(row.name), put), _WAKE])
    return made[0]


def _place_with(standing: PlaceRow | None, new: NewRoute, user: Address, now: float) -> PlaceRow:
    hosts = () if standing is None else standing.hosts
    if standing is not None and (new.here or not hosts):
        place = "here" if not hosts else ", ".join(host_text(host, port) for host, port, _ in hosts)
        raise AlreadyExists(
            f"{user} lives {'here' if not hosts else f'at {place}'} already; remove that first: "
            f"xtramail route remove {user.domain_key} --user {user}"
        )
    if new.here:
        return PlaceRow(local=user.local, created=now)
    if any((host, port) == (new.host, new.port) for host, port, _ in hosts):
        raise AlreadyExists(f"{user} has the route {host_text(new.host, new.port)} already; see: xtramail route list")
    if len(hosts) >= MOST:
        raise BadInput(f"{user} has {MOST} routes already, the most there can be; remove one first")
    number = _priority(new, [one for _, _, one in hosts])
    ordered = sorted([*hosts, (new.host, new.port, number)], key=lambda one: one[2])
    if standing is not None:
        return replace(standing, hosts=tuple(ordered))
    return PlaceRow(local=user.local, hosts=tuple(ordered), created=now)


async def _remove_place(desk: Desk, row: DomainRow, user: Address, host: str, change: Change) -> Route:
    gone: list[Route] = []

    def take(txn: Txn) -> None:
        _current(txn, row.name)
        standing = places.get_place(txn, user.local_key)
        found = [] if standing is None else _of_place(row.name, standing)
        route = _the_one(found, host, str(user))
        if standing is not None and len(found) > 1:
            left = tuple(one for one in standing.hosts if (one[0], one[1]) != (route.host, route.port))
            places.put_place(txn, user.local_key, replace(standing, hosts=left))
        else:
            places.delete_place(txn, user.local_key)
        gone[:] = [route]
        change.object, change.before, change.after = f"{row.name} {route.target} {user}", route.told(), None

    await desk.change(change, [(keys.domain_scope(row.name), take), _WAKE])
    return gone[0]
