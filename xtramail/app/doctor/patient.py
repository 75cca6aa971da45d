"""The installation that is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xtramail.app.paths import Paths
from xtramail.app.settings import Settings
from xtramail.directory.dkim_keys import DkimKey
from xtramail.net.certificates import Identity
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.records import DomainRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    settings: Settings
    """With a host name."""
    engine: LmdbEngine
    paths: Paths
    now: float
    running: bool
    """A server holds the store."""
    domains: tuple[DomainRow, ...]
    """Those that are looked at."""
    identities: tuple[Identity, ...]
    """Certificates that can be served."""
    dkim: Mapping[str, Sequence[DkimKey]]
    """By domain."""

    @property
    def hosts(self) -> tuple[str, ...]:
        return self.settings.server.hostname
