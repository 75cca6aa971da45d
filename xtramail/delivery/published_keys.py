"""Looks in DNS for the records of keys that wait, and lets each sign once its record is there.

So who makes a key has to publish it, and nothing else. A key that DNS does not show signs nothing, however long.
"""

from __future__ import annotations

from typing import Protocol

from xtramail.directory import dkim_keys
from xtramail.directory.desk import Desk
from xtramail.model.actor import SERVER
from xtramail.model.clock import Clock
from xtramail.model.errors import Refused, Unavailable
from xtramail.model.pending import Pending
from xtramail.store import aliases, dkim, domains, keys
from xtramail.store.engine import Engine

EVERY = 300.0
"""Seconds between looks."""


class Texts(Protocol):
    """``net.dns`` is the real one."""

    def texts(self, name: str) -> Pending[list[str]]:
        """TXT records, each with its strings joined; none where there is none. Unavailable."""


class PublishedKeys:
    def __init__(self, *, engine: Engine, texts: Texts, clock: Clock) -> None:
        self._engine = engine
        self._texts = texts
        self._desk = Desk(engine, SERVER, clock)

    async def look(self) -> None:
        """One look at every key that waits."""
        for name in (*domains.domain_names(self._engine), *(name for name, _ in aliases.alias_domains(self._engine))):
            rows = self._engine.read(keys.domain_scope(name), dkim.dkim_rows)
            if any(row.state == "pending" for row in rows):
                await self._look_at(name)

    async def _look_at(self, name: str) -> None:
        published: dict[str, list[str]] = {}
        try:
            for key in dkim_keys.of_domain(self._desk, name):
                if key.state == "pending":
                    published[key.selector] = await self._texts.texts(key.record_name)
        except Unavailable:
            # DNS says nothing now: what it said before that counts.
            pass
        try:
            await dkim_keys.activate(self._desk, name, published)
        except Refused:
            # Somebody was quicker, or the domain is gone.
            return
