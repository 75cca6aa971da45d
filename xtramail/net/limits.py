"""How many connections each peer and each account may hold, and how fast new ones may come.

Owns the counts of all services. Failed logins are counted elsewhere. An IPv6 peer counts by its /64, since
one customer line has that many addresses; ``::ffff:a.b.c.d`` is a.b.c.d.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from xtramail.model.clock import Clock
from xtramail.model.errors import LimitReached
from xtramail.model.peer import plain_address

_WINDOW_SECONDS = 60.0
_STRESS_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """``[limits]`` of the configuration; 0 switches one off."""

    connections: int = 10_000
    """Open at a time, for each service."""
    unauthenticated_per_address: int = 50
    new_per_minute: int = 300
    """From one address."""
    logged_in_per_account: int = 60
    """Many offices sit behind one address, so a login moves the connection from the address's account to the user's."""
    handshakes_per_address: int = 20
    """TLS handshakes under way at a time; more of them wait for their turn."""


@lru_cache(maxsize=4_096)
def address_block(address: str) -> str:
    """What an address counts as: itself, or the /64 of an IPv6 address."""
    plain = plain_address(address)
    try:
        parsed = ip_address(plain)
    except ValueError:
        return plain
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return plain


class Limits:
    """One for the whole server."""

    def __init__(self, settings: LimitSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._unauthenticated: Counter[str] = Counter()
        self._handshakes: Counter[str] = Counter()
        self._in_line: dict[str, dict[Ticket, Callable[[], None]]] = {}
        """Who waits for the turn to shake hands, by address and in the order of arrival."""
        self._logged_in: Counter[int] = Counter()
        self._window_began = clock.monotonic()
        self._arrived: Counter[str] = Counter()
        self._arrived_before: Counter[str] = Counter()

    def admit(self, service: str, address: str) -> Ticket:
        """Count a new connection; LimitReached when it is one too many (nothing is counted then but its arrival)."""
        settings, block = self.settings, address_block(address)
        if not block:
            # A Unix socket: one MTA on this machine, which may open as many as it likes.
            return self._admitted(service, block)
        if settings.new_per_minute and self._arrival_rate(block) >= settings.new_per_minute:
            raise LimitReached("Too many new connections from your address; try again in a minute.")
        self._arrived[block] += 1
        unauthenticated = settings.unauthenticated_per_address
        if unauthenticated and self._unauthenticated[block] >= unauthenticated:
            raise LimitReached("Too many connections from your address.")
        return self._admitted(service, block)

    def _admitted(self, service: str, block: str) -> Ticket:
        if self.settings.connections and self._open[service] >= self.settings.connections:
            raise LimitReached("Too many connections; try again later.")
        self._open[service] += 1
        self._unauthenticated[block] += 1
        return Ticket(self, service, block)

    def stressed(self, service: str) -> bool:
        """Over 80 % of the connections are in use: timeouts get short."""
        return bool(self.settings.connections) and self._open[service] > _STRESS_SHARE * self.settings.connections

    @property
    def open(self) -> int:
        """Connections of all services."""
        return self._open.total()

    def connections(self, service: str) -> int:
        """Open now."""
        return self._open[service]

    def _arrival_rate(self, block: str) -> float:
        """Arrivals of the last minute: those of this window and the share of the window before that is still in it."""
        passed = self._clock.monotonic() - self._window_began
        if passed >= _WINDOW_SECONDS:
            self._arrived_before = self._arrived if passed < 2 * _WINDOW_SECONDS else Counter()
            self._arrived = Counter()
            self._window_began += passed - passed % _WINDOW_SECONDS
            passed %= _WINDOW_SECONDS
        # Reading a missing key of a Counter does not insert it: the tables hold only who came.
        return self._arrived[block] + self._arrived_before[block] * (1 - passed / _WINDOW_SECONDS)

    def _take(self, counter: Counter[str], key: str) -> None:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]


class Ticket:
    """One admitted connection's place in the counts; :meth:`close` it exactly when the connection ends."""

    __slots__ = ("_account", "_block", "_closed", "_handshaking", "_limits", "_service")

    def __init__(self, limits: Limits, service: str, block: str) -> None:
        self._limits = limits
        self._service = service
        self._block = block
        self._account: int | None = None
        self._handshaking = False
        self._closed = False

    def may_shake(self, turn: Callable[[], None]) -> bool:
        """Whether its TLS handshake may begin now. Else ``turn`` is called when it may, unless it is closed before.

        An office or a provider that comes back after a stop opens dozens of connections in one moment: they are
        served one after another, for refusing them would only make them come again.
        """
        limits, block = self._limits, self._block
        limit = limits.settings.handshakes_per_address
        if limit and limits._handshakes[block] >= limit:
            limits._in_line.setdefault(block, {})[self] = turn
            return False
        self._shake()
        return True

    def handshake_ended(self) -> None:
        limits, block = self._limits, self._block
        in_line = limits._in_line.get(block, {})
        in_line.pop(self, None)
        if self._handshaking:
            self._handshaking = False
            limits._take(limits._handshakes, block)
            if in_line:
                following = next(iter(in_line))
                turn = in_line.pop(following)
                following._shake()
                turn()
        if not in_line:
            limits._in_line.pop(block, None)

    def _shake(self) -> None:
        self._handshaking = True
        self._limits._handshakes[self._block] += 1

    def logged_in(self, account_id: int) -> None:
        """Count it with the account from now on; LimitReached when that has too many (and nothing changes)."""
        limits = self._limits
        if self._closed or self._account is not None:
            return
        limit = limits.settings.logged_in_per_account
        if limit and limits._logged_in[account_id] >= limit:
            raise LimitReached("Too many connections of this account.")
        self._account = account_id
        limits._logged_in[account_id] += 1
        limits._take(limits._unauthenticated, self._block)

    def close(self) -> None:
        """May be called again."""
        if self._closed:
            return
        self._closed = True
        limits = self._limits
        self.handshake_ended()
        limits._take(limits._open, self._service)
        if self._account is None:
            limits._take(limits._unauthenticated, self._block)
        else:
            limits._logged_in[self._account] -= 1
            if limits._logged_in[self._account] <= 0:
                del limits._logged_in[self._account]
