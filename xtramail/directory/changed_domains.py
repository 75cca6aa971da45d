"""All served domains, once after each change of any of them: for tables of their settings that are kept in memory."""

from __future__ import annotations

from xtramail.store import domains, keys
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow


class ChangedDomains:
    """For one table. A change by another process is seen when the engine is told of that (``Engine.poll``)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stale = True
        engine.watch(keys.DOMAIN_CHANGES, self._changed)

    def rows(self) -> list[DomainRow] | None:
        """None while nothing has changed since they were given last."""
        if not self._stale:
            return None
        self._stale = False
        return [row for row in domains.domain_rows(self._engine) if not row.unverified]

    def _changed(self) -> None:
        self._stale = True
