"""One route, as a person names it and as he is shown it: the words, and what can be checked of them without the store.

What routes a domain has, and how they are changed, is ``routes``'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xtramail.directory.desk import Told
from xtramail.directory.domains import host_text
from xtramail.directory.outbound import PORT
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.host import parse_host
from xtramail.model.secret import Secret

Way = Literal["in", "out"]
When = Literal["always", "up", "down"]
WHEN: tuple[When, ...] = ("always", "up", "down")
HERE = "here"
"""In the place of a host: it is handed to nobody."""
MOST = 16
"""Hosts of one way, or of one address."""
HIGHEST = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. ``in``: of mail for the domain, or for ``user`` alone. ``out``: of what the domain's people send."""

    domain: str
    way: Way
    host: str
    """Or HERE."""
    port: int = 0
    priority: int = 0
    """The lowest is tried first; equal ones share. 0 for HERE."""
    when: When = "always"
    user: str = ""
    """Address; empty: all of the domain, with HERE its users."""
    login: str = ""
    secret: bool = False
    """It has a password, which is not shown."""

    @property
    def target(self) -> str:
        """``HOST:PORT``, or HERE."""
        return host_text(self.host, self.port) if self.port else self.host

    def told(self) -> Told:
        """For the audit log."""
        return {
            "way": self.way,
            "host": self.target,
            "priority": self.priority,
            "for": self.when,
            "user": self.user,
            "login": self.login,
            "password": "set" if self.secret else "",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoute:
    """What a person asks for, checked as far as it can be without the store. See :func:`read`."""

    host: str
    port: int
    way: Way
    when: When
    priority: int | None
    user: Address | None
    login: str
    password: Secret | None

    @property
    def here(self) -> bool:
        return not self.port


def read(
    host: str,
    *,
    out: bool = False,
    when: str = "always",
    priority: int | None = None,
    user: str = "",
    login: str = "",
    password: Secret | None = None,
) -> NewRoute:
    """``host``: ``HOST[:PORT]`` or HERE. BadInput names the field and its rule."""
    if when not in WHEN:
        raise BadInput(f"for {when!r}: choose one of {', '.join(WHEN)}")
    if when != "always" and not out:
        raise BadInput(
            f"for {when}: only for hosts that mail goes out by (--out); mail for a domain waits while it is down"
        )
    if priority is not None and not 0 <= priority <= HIGHEST:
        raise BadInput(f"priority {priority}: a number from 0 to {HIGHEST}; the lowest is tried first")
    if out and user:
        raise BadInput("user: an outbound route is for all of a domain; leave --user or --out away")
    if (login or password is not None) and not out:
        raise BadInput("login: only for hosts that mail goes out by (--out); a primary knows us by our address")
    if bool(login) != (password is not None):
        raise BadInput("login: a name and a password, or neither; write --login NAME and pipe the password in")
    address = Address.parse(user) if user else None
    if host == HERE:
        if out or priority is not None:
            raise BadInput(f"{HERE}: it has no priority, and nothing goes out by it; leave --priority and --out away")
        name, port = HERE, 0
    else:
        name, port = parse_host(host, PORT if out else 25)
    return NewRoute(
        host=name,
        port=port,
        way="out" if out else "in",
        when=when,
        priority=priority,
        user=address,
        login=login,
        password=password,
    )
