"""How fast a peer must send the text of its message.

Owns the measure only, of one connection; the timer that looks at it is the connection's.
"""

from __future__ import annotations


class TextPace:
    """Times in seconds of one steady clock; ``octets_per_second`` 0 switches the rule off.

    For ``grace`` seconds nothing is asked; then the octets so far must be that many a second since the grace ended. A
    peer that sends a byte every minute would otherwise hold a connection for ever (slowloris).
    """

    __slots__ = ("_grace", "_octets", "_rate", "_since", "reading")

    def __init__(self, *, grace: float, octets_per_second: int) -> None:
        self._grace = grace
        self._rate = octets_per_second
        self._octets = 0
        self._since = 0.0
        self.reading = False
        """The text is coming."""

    def begin(self, now: float) -> None:
        self.reading = True
        self._octets = 0
        self._since = now

    def end(self) -> None:
        self.reading = False

    def arrived(self, octets: int) -> None:
        self._octets += octets

    def held_up(self, seconds: float) -> None:
        """We did not read for so long: our own slowness is not the peer's."""
        self._since += seconds

    def left(self, now: float) -> float | None:
        """Seconds until the peer is too slow if nothing more comes (0: it is); None: the rule is off."""
        if not self._rate:
            return None
        return max(0.0, self._since + self._grace + self._octets / self._rate - now)
