"""Aliases of aliases: whether one that is to be set would lead back to itself, through too many, or to too many.

What the actor may not see is an end: it is told nothing of it, and the server's own walk (``resolution``) is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from xtramail.directory.desk import Desk
from xtramail.directory.domain_settings import switch
from xtramail.directory.resolution import MOST_ADDRESSES, MOST_DEPTH, PLUS
from xtramail.model.address import Address, key_of
from xtramail.model.errors import BadInput
from xtramail.store import domains, keys
from xtramail.store.aliases import alias_domains, aliases


class AliasChains:
    """Read once, then told of each alias that is set: many can be checked without reading them anew."""

    def __init__(
        self,
        *,
        plus: Mapping[str, bool],
        names: Mapping[str, str],
        is_user: Callable[[str], bool],
        rows: Iterable[tuple[str, tuple[str, ...]]],
    ) -> None:
        """``plus``: the domains, and whether what follows ``+`` counts nothing there; ``names``: other names of them;
        ``is_user``: of an ``Address.key``; ``rows``: keys of aliases with their targets."""
        self._plus = plus
        self._names = names
        self._is_user = is_user
        self._targets: dict[str, tuple[str, ...]] = {}
        self._sources: dict[str, set[str]] = {}
        """Who might lead to an alias: by the key of a target, by what is before its plus sign, by its domain."""
        for key, targets in rows:
            self._set(key, targets)

    @classmethod
    def of(cls, desk: Desk, *, also: Mapping[str, str] = MappingProxyType({})) -> AliasChains:
        """As the actor sees them; ``also``: names of domains that are to be added, with what each is another name of.
        """
        served = {row.name: row for row in desk.domains()}
        engine = desk.engine

        def is_user(key: str) -> bool:
            local, _, name = key.rpartition("@")
            scope = keys.domain_scope(name)
            return engine.read(scope, lambda snap: domains.get_recipient(snap, local)) is not None

        return cls(
            plus={name: switch(row, PLUS) for name, row in served.items()},
            names={name: row.domain for name, row in alias_domains(engine) if row.domain in served} | dict(also),
            is_user=is_user,
            rows=(
                (Address(local=row.local, domain=name).key, row.targets)
                for name in served
                for row in engine.read(keys.domain_scope(name), aliases)
            ),
        )

    def check(self) -> None:
        """Of all of them, what :meth:`put` asks of one. BadInput."""
        for key in self._targets:
            self._check(key)

    def put(self, key: str, targets: Sequence[str]) -> None:
        """``key``: of the alias (``@domain`` for all of it); BadInput names the way that is too long, a circle, or
        the alias that would stand for too many."""
        before = self._targets.get(key)
        self._set(key, tuple(targets))
        try:
            self._check(key)
        except BadInput:
            self._targets.pop(key)
            if before is not None:
                self._set(key, before)
            raise

    def _set(self, key: str, targets: tuple[str, ...]) -> None:
        self._targets[key] = targets
        for text in targets:
            for mark in self._marks(text):
                self._sources.setdefault(mark, set()).add(key)

    def _check(self, key: str) -> None:
        below = self._longest(key, [], {})
        way = [*self._above(key), *below]
        if len(way) > MOST_DEPTH:
            raise BadInput(f"alias {key}: {' -> '.join(way)} is more than {MOST_DEPTH} aliases in a row; name the last")
        known: dict[str, int] = {}
        for one in self._leading(key):
            if self._bound(one, known) > MOST_ADDRESSES and self._stands_for(one) > MOST_ADDRESSES:
                raise BadInput(
                    f"alias {key}: {one} would stand for more than {MOST_ADDRESSES} addresses, the aliases among them "
                    "counted; leave some out, or write to a list server"
                )

    def _leading(self, key: str) -> list[str]:
        """``key`` and every alias that leads to it."""
        found, todo = {key: None}, [key]
        while todo:
            one = todo.pop()
            for source in sorted(self._sources.get(one, ())):
                if source not in found and source in self._targets and one in self._next(source):
                    found[source] = None
                    todo.append(source)
        return list(found)

    def _bound(self, key: str, known: dict[str, int]) -> int:
        """For how many addresses ``key`` stands at most: each is counted as often as a way leads to it."""
        if key not in known:
            below = [self._alias(text) for text in self._targets[key]]
            known[key] = 1 + sum(self._bound(one, known) if one and one != key else 1 for one in below)
        return known[key]

    def _stands_for(self, key: str) -> int:
        """For how many, itself and the aliases on the way counted, as ``resolution`` does; no more than one too many.
        """
        found, aliases_of = {key}, [key]
        for one in aliases_of:
            for text in self._targets[one]:
                found.add(next(iter(self._marks(text)), key_of(text)))
                below = self._alias(text)
                if below and below not in aliases_of:
                    aliases_of.append(below)
            if len(found) > MOST_ADDRESSES:
                break
        return len(found)

    def _longest(self, key: str, way: list[str], known: dict[str, list[str]]) -> list[str]:
        """The longest way of aliases from ``key`` on."""
        if key in way:
            circle = [*way[way.index(key) :], key]
            raise BadInput(f"alias {way[0]}: {' -> '.join(circle)} would go round in circles; leave one target out")
        if key not in known:
            if len(way) > MOST_DEPTH:
                return [key]
            below = [self._longest(one, [*way, key], known) for one in self._next(key)]
            known[key] = [key, *max(below, key=len, default=[])]
        return known[key]

    def _next(self, key: str) -> list[str]:
        """The aliases that are targets of ``key``, himself left out: who names himself keeps his own."""
        found = (self._alias(text) for text in self._targets[key])
        return [one for one in dict.fromkeys(found) if one and one != key]

    def _alias(self, text: str) -> str:
        """The key of the alias by which mail for ``text`` goes on; empty: it ends there, as far as can be seen."""
        for mark in self._marks(text):
            if mark in self._targets:
                return mark
            if self._is_user(mark):
                return ""
        return ""

    def _marks(self, text: str) -> list[str]:
        """The keys of the aliases that ``text`` may be, the first that is one: it, without what its plus adds, all."""
        try:
            address = Address.parse(text)
            name = self._names.get(address.domain_key, address.domain_key)
        except BadInput:
            return []
        local = address.local_key
        if name not in self._plus:
            return []
        base = [local.partition("+")[0]] if "+" in local[1:] and self._plus[name] else []
        return [f"{one}@{name}" for one in (local, *base, "")]

    def _above(self, key: str) -> list[str]:
        """The longest way of aliases that leads to ``key``, itself left out; there is no circle."""
        ways, longest, depth = [[key]], [key], {key: 1}
        while ways and len(longest) <= MOST_DEPTH:
            way = ways.pop()
            longest = max(longest, way, key=len)
            for source in sorted(self._sources.get(way[0], ())):
                leads = source in self._targets and way[0] in self._next(source)
                if leads and depth.get(source, 0) <= len(way):
                    depth[source] = len(way) + 1
                    ways.append([source, *way])
        return longest[:-1]
