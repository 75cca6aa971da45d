"""Who asks for something: a person or a program, and how they came. What they may do is ``directory.desk``'s to say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """From who may do everything to who may do least."""

    OPERATOR = "operator"
    """Runs the machine."""
    TENANT = "tenant-admin"
    """Every domain of one tenant."""
    DOMAIN = "domain-admin"
    """The domains that were given to them."""
    USER = "user"
    """Their own account."""

    def reaches(self, other: Role) -> bool:
        """Whether this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """``name`` and ``how`` are for the audit log: ``ann@example.test`` by ``token 4f1c``."""

    role: Role
    name: str
    how: str
    tenant: str = ""
    """Of a tenant's admin."""
    domains: frozenset[str] = frozenset()
    """Domain keys of a domain admin."""
    address: str = ""
    """``Address.key`` of a user."""
    read_only: bool = False
    token: str = ""
    """Id of the token that they came by; empty: a person."""


SERVER = Actor(role=Role.OPERATOR, name="xtramail", how="server")
"""The running server: what it learns by itself, such as a recipient that the primary knows."""
