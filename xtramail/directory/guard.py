"""Counts failed logins, so that guessing is slow and a guesser shuts out only himself.

Limits of an address block (/24, /64) and of an account from one address; never of an account alone, which would let
anybody lock a user out. A block with a good login in 30 days is delayed, never shut out; ``known_blocks`` keeps these
over restarts, all else is in memory only. All is bounded.

Refusals are answered later and later, counted by block too, so that a new connection for each guess gains nothing. A
good login is answered at once, whatever its neighbours do, and takes nothing from their count.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
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
    delayed_for: float = 300.0
    """Seconds after a block's last refusal in which its next one is answered later still."""
    delayed_blocks: int = 50_000


def growing_delay(refusals: int) -> float:
    """Seconds before the answer to the last of so many refusals: 1, 2, 4, 8, 8..."""
    return 2.0 ** min(refusals - 1, 3)


def _unkept(_block: str) -> None:
    """Nobody keeps which blocks are known."""


class Guard:
    """``refuses`` before the password is looked at; ``failed`` or ``succeeded`` after; ``refused`` for each refusal."""

    def __init__(
        self,
        clock: Clock,
        limits: GuardLimits,
        *,
        known: Mapping[str, float] | None = None,
        on_known: Callable[[str], None] = _unkept,
    ) -> None:
        """``known``: blocks with a good login, and how many seconds ago that was, the longest first; ``on_known`` is
        told the block of each good login."""
        self._clock = clock
        self._limits = limits
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._wrong: OrderedDict[bytes, float] = OrderedDict()
        now = clock.monotonic()
        self._trusted = OrderedDict((block, now - age) for block, age in (known or {}).items())
        self._on_known = on_known
        self._refusals: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """How many of a block, and when the last was."""
        self._key = secrets.token_bytes(16)
        """Marks of wrong passwords (often right ones of elsewhere) mean nothing outside this process."""

    def refuses(self, account_key: str, peer: Peer) -> bool:
        if self._over(f"a {account_key} {peer.address}", self._limits.per_account_and_address):
            return True
        return not self._is_trusted(peer.block) and self._over(f"b {peer.block}", self._limits.per_block)

    def failed(self, account_key: str, peer: Peer, password: str) -> None:
        """The same wrong password for the same account from one address counts once: a phone with an old password
        that tries every minute is not a guesser."""
        now, limits = self._clock.monotonic(), self._limits
        text = f"{account_key}\0{peer.address}\0{password}".encode("utf-8", "surrogatepass")
        mark = hashlib.blake2b(text, key=self._key, digest_size=16).digest()
        last = self._wrong.get(mark)
        _remember(self._wrong, mark, now, limits.entries)
        if last is not None and now - last < limits.window:
            return
        for key, limit in (
            (f"a {account_key} {peer.address}", limits.per_account_and_address),
            (f"b {peer.block}", limits.per_block),
        ):
            # No more than the limit need be remembered.
            times = self._failures.get(key) or deque(maxlen=max(limit, 1))
            times.append(now)
            _remember(self._failures, key, times, limits.entries)

    def refused(self, peer: Peer) -> float:
        """Seconds after the attempt before which its refusal is not to be answered.

        Whatever the reason was and whoever was named: were some not counted, time would tell a right password.
        """
        now, limits = self._clock.monotonic(), self._limits
        count, last = self._refusals.get(peer.block, (0, now))
        count = count + 1 if now - last < limits.delayed_for else 1
        _remember(self._refusals, peer.block, (count, now), limits.delayed_blocks)
        return growing_delay(count)

    def succeeded(self, account_key: str, peer: Peer) -> None:
        self._failures.pop(f"a {account_key} {peer.address}", None)
        _remember(self._trusted, peer.block, self._clock.monotonic(), self._limits.entries)
        self._on_known(peer.block)

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


def _remember(table: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
