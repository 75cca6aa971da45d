"""Connections to primaries' IMAP that nobody uses, still logged in, for whoever comes with the same login.

A hundred messages of one user cost one login. Owns which are kept, and for how long; who uses them, and the threads in
which they are closed, are ``primary_imap``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xtramail.directory.imap_access import ImapAccess
from xtramail.net.imap_visit import Visit


@dataclass(frozen=True, slots=True)
class Login:
    """``access`` with its credentials, ``address`` whose mailboxes they open: nothing of it may differ."""

    domain: str
    access: ImapAccess
    address: str


@dataclass(frozen=True, slots=True)
class _Kept:
    login: Login
    visit: Visit
    late: Any


class KeptVisits:
    """The last that were used; a login may have several."""

    def __init__(self, reactor: Any, *, idle: float, most: int, close: Callable[[Visit], None]) -> None:
        """``idle`` in seconds; ``most`` of all domains; ``close`` is given what is kept no longer."""
        self._reactor = reactor
        self._idle = idle
        self._most = most
        self._close = close
        self._kept: list[_Kept] = []
        """The one used last is the last."""

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, login: Login) -> Visit | None:
        """One that is logged in so; it is the caller's now."""
        found = next((one for one in reversed(self._kept) if one.login == login), None)
        return self._out(found) if found is not None else None

    def beyond(self, domain: str, places: int) -> list[Visit]:
        """Take out the oldest of a domain until no more than ``places`` are kept of it; the caller closes them."""
        of_it = [one for one in self._kept if one.login.domain == domain]
        return [self._out(one) for one in of_it[: max(len(of_it) - places, 0)]]

    def keep(self, login: Login, visit: Visit) -> None:
        late = self._reactor.callLater(self._idle, self._expire, visit)
        self._kept.append(_Kept(login, visit, late))
        for one in self._kept[: max(len(self._kept) - self._most, 0)]:
            self._close(self._out(one))

    def clear(self) -> list[Visit]:
        """Take out all; the caller closes them."""
        return [self._out(one) for one in list(self._kept)]

    def _expire(self, visit: Visit) -> None:
        for one in [one for one in self._kept if one.visit is visit]:
            self._close(self._out(one))

    def _out(self, one: _Kept) -> Visit:
        self._kept.remove(one)
        if one.late.active():
            one.late.cancel()
        return one.visit
