"""Which value of a setting counts where several may have set it: the user's, else the domain's, else the default.

The one place that decides it, for the server and for who asks why something is as it is (``effective``).
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.store.records import Account, DomainRow

USER, DOMAIN, DEFAULT = "user", "domain", "default"


@dataclass(frozen=True, slots=True)
class Level:
    """One value, and where it stands."""

    value: str
    source: str


def levels(name: str, *, user: Account | None = None, domain: DomainRow | None, default: str) -> tuple[Level, ...]:
    """All that say something of setting ``name``: the first counts. An empty value is none."""
    found = []
    if user is not None and (own := user.settings.get(name, "")):
        found.append(Level(own, USER))
    if domain is not None and (shared := domain.settings.get(name, "")):
        found.append(Level(shared, DOMAIN))
    found.append(Level(default, DEFAULT))
    return tuple(found)


def counts(name: str, *, user: Account | None = None, domain: DomainRow | None, default: str) -> str:
    """The value that holds."""
    return levels(name, user=user, domain=domain, default=default)[0].value
