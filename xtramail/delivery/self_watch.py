"""What the server finds out about itself, and when it is told: a ledger that does not balance, a store that fills.

It is told when it begins, and once a day while it lasts. Owns no timer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xtramail.delivery.audit import Audit
from xtramail.delivery.policy import Policy
from xtramail.delivery.raising import Say
from xtramail.model.clock import Clock
from xtramail.store.engine import Engine

AGAIN = 86_400.0
NEARLY = 2
"""The store is nearly full when less is free than so many times what must stay free."""
_MOST_NAMED = 5


class SelfWatch:
    """``audited(holds)`` is told of the end of each look at the ledger."""

    def __init__(
        self, *, engine: Engine, policy: Policy, clock: Clock, say: Say, audited: Callable[[bool], None]
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock
        self._say = say
        self._audited = audited
        self._told: dict[str, tuple[str, float]] = {}
        """By kind: what was told last, and when (monotonic)."""

    def ledger(self) -> Iterator[None]:
        """One look at the whole ledger, a slice at each step."""
        audit = Audit(self._engine)
        yield from audit.walk()
        wrong = audit.found
        self._audited(not wrong)
        if not wrong:
            self._told.pop("ledger-unbalanced", None)
            return
        named = "; ".join(one.text for one in wrong[:_MOST_NAMED])
        text = f"The ledger does not balance: {named}. Mail goes on. Next: xtramail verify, and keep a backup of now"
        buckets = ",".join(str(one.bucket) for one in wrong if one.bucket is not None)
        self._tell("ledger-unbalanced", text, {"buckets": buckets} if buckets else {})

    def store(self) -> Iterator[None]:
        """One look at the room that is left."""
        free, reserve = self._policy.free_and_reserve()
        if free >= NEARLY * reserve:
            self._told.pop("store-nearly-full", None)
        else:
            state = "Mail is refused (452)" if free < reserve else f"Below {reserve >> 20} MiB mail is refused (452)"
            text = (
                f"The store is nearly full. {state}; reading and expiry go on. Make room on its disk, or keep mail for "
                f"fewer days: xtramail domain set DOMAIN retention-days=N"
            )
            self._tell("store-nearly-full", text, {"free": str(free), "refused-below": str(reserve)})
        yield

    def _tell(self, kind: str, text: str, fields: dict[str, str]) -> None:
        now = self._clock.monotonic()
        before, at = self._told.get(kind, ("", 0.0))
        if before != text or now - at >= AGAIN:
            self._told[kind] = (text, now)
            self._say(kind, "", text, fields)
