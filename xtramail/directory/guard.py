"""Counts failed logins, so that guessing is slow and a guesser shuts out only himself.

Limits of an address block (/24, /64) and of an account from one address; never of an account alone, which would let
anybody lock a user out. A block with a good login in 30 days is delayed, never shut out. Memory only, bounded.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TypeVar

from xtramail.model.clock import DAY_SECONDS, Clock
from xtramail.model.peer import Peer

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Failures in ``window`` seconds (0 = off)."""

    window: float = 600.0
    per_block: int = 50
    per_account_and_address: int = 10
    trusted_for: float = 30.0 * DAY_SECONDS
    entries: int = 100_000


class Guard:
    """``refuses`` before the password is looked at; ``failed`` or ``succeeded`` after."""

    def __init__(self, clock: Clock, limits: GuardLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._wrong: OrderedDict[bytes, float] = OrderedDict()
        self._trusted: OrderedDict[str, float] = OrderedDict()
        self._key = secrets.token_bytes(16)
        """Marks of wrong passwords (often right ones of elsewhere) mean nothing outside this process."""

    def refuses(self, account_key: str, peer: Peer) -> bool:
        if self._over(f"a {account_key} {peer.address}", self._limits.per_account_and_address):
            return True
        return not self._is_trusted(peer.block) and self._over(f"b {peer.block}", self._limits.per_block)

    def failed(self, account_key: str, peer: Peer, password: str) -> None:
        """The same wrong password for the same account from one address counts once: a phone with an old password
        that tries every minute is not a guesser."""
        now = self._clock.monotonic()
        text = f"{account_key}\0{peer.address}\0{password}".encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(text, key=self._key, digest_size=16).digest()
        last = self._wrong.get(mark)
        self._remember(self._wrong, mark, now)
        if last is not None and now - last < self._limits.window:
            return
        limits = self._limits
        for key, limit in (
            (f"a {account_key} {peer.address}", limits.per_account_and_address),
            (f"b {peer.block}", limits.per_block),
        ):
            # No more than the limit need be remembered.
            times = self._failures.get(key) or deque(maxlen=max(limit, 1))
            times.append(now)
            self._remember(self._failures, key, times)

    def succeeded(self, account_key: str, peer: Peer) -> None:
        self._failures.pop(f"a {account_key} {peer.address}", None)
        self._remember(self._trusted, peer.block, self._clock.monotonic())

    def _is_trusted(self, block: str) -> bool:
        last = self._trusted.get(block)
        return last is not None and self._clock.monotonic() - last < self._limits.trusted_for

    def _over(self, key: str, limit: int) -> bool:
        times = self._failures.get(key)
        if not times or limit == 0:
            return False
        oldest = self._clock.monotonic() - self._limits.window
        while times and times[0] < oldest:
            times.popleft()
        return len(times) >= limit

    def _remember(self, table: OrderedDict[K, V], key: K, value: V) -> None:
        table[key] = value
        table.move_to_end(key)
        if len(table) > self._limits.entries:
            table.popitem(last=False)
