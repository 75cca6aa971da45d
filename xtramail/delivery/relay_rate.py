"""How many recipients an hour the relay clients of each domain may send to: a bucket that fills as time passes.

In memory: a restart forgets what was sent in the last hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.clock import Clock

HOUR = 3600.0
NULL_SHARE = 10
"""Mail of the null sender has a tenth of its own: nobody is told when it fails, and whoever it names need not exist."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class RelayRate:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, bool], _Bucket] = {}

    def take(self, domain: str, recipients: int, *, per_hour: int, null_sender: bool) -> bool:
        """Whether so many ``recipients`` may have a message now; then they are counted, else nothing is.

        One message may go to more recipients than there is room for, as long as there is any: it would never fit.
        """
        wanted = [((domain, False), float(per_hour))]
        if null_sender:
            wanted.append(((domain, True), max(per_hour / NULL_SHARE, 1.0)))
        now = self._clock.monotonic()
        buckets = [self._filled(key, most, now) for key, most in wanted]
        if any(bucket.level < 1.0 for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.level -= recipients
        return True

    def _filled(self, key: tuple[str, bool], most: float, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(key, _Bucket(level=most, at=now))
        bucket.level = min(most, bucket.level + most * (now - bucket.at) / HOUR)
        bucket.at = now
        return bucket
