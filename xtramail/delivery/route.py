"""One accepted recipient and what becomes of its mail. Who is accepted is ``policy``'s to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xtramail.directory.mirrors import Keeping
from xtramail.model.envelope import ForwardPath
from xtramail.store.records import Account, DomainRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One accepted recipient and what becomes of its mail.

    ``domain`` is the served domain it belongs to, None for the outside world. ``accounts``: whose mailboxes get a copy.
    ``relay``: a queue entry for ``destination`` is written: a domain key, or what ``directory.places`` names.
    """

    path: ForwardPath
    domain: DomainRow | None
    accounts: tuple[Account, ...]
    relay: bool
    destination: str
    up: bool = True
    """Its primary is up: who wants to read what it has can do so there, too."""
    keeping: Keeping | None = None
    """How long its copies are kept; None: as its domain says."""
    keepings: Mapping[int, Keeping] = field(default_factory=dict)
    """By account, for those that keep it otherwise."""
    forwards: tuple[Route, ...] = ()
    """Those to whom we forward its mail."""
    forwarder: str = ""
    """It is one of these: the address that stands for it, in its domain's own name."""

    @property
    def kept(self) -> Keeping | None:
        """As ``keeping``, None for the outside world alone."""
        if self.keeping is not None or self.domain is None:
            return self.keeping
        return Keeping(retention_class=self.domain.retention_class, days=self.domain.retention_days)

    def kept_by(self, account: Account) -> Keeping | None:
        """How long one of ``accounts`` keeps its copy."""
        return self.keepings.get(account.id, self.kept)


def with_forwards(routes: Iterable[Route]) -> tuple[Route, ...]:
    """``routes``, and behind them those to whom they are forwarded: each once, and nobody whom the sender named."""
    written = tuple(routes)
    named = {route.path.address.key for route in written}
    behind: dict[str, Route] = {}
    for route in written:
        for forward in route.forwards:
            if forward.path.address.key not in named:
                behind.setdefault(forward.path.address.key, forward)
    return (*written, *behind.values())
