"""The recipients that one transaction has named so far.

Owns that each is taken once, as written. Whether it is taken is ``policy``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from xtramail.delivery.policy import TOO_MANY_BEHIND, Policy, Questions, Route
from xtramail.delivery.route import with_forwards
from xtramail.directory.resolution import MOST_ADDRESSES
from xtramail.model.envelope import ForwardPath, ReversePath
from xtramail.model.outcome import Reply

MOST_FORWARDS = 5 * MOST_ADDRESSES
"""Of all recipients of a message, those of each counted: the same thousand may be behind many names of one alias."""
Admission = Reply | Coroutine[Any, Any, Reply] | None


def everybody(_recipients: int) -> None:
    """However many they are."""


class Recipients:
    """``outside``: the sender may write to the whole world; ``admit`` then says why not to so many there, if so."""

    def __init__(
        self, policy: Policy, path: ReversePath, *, outside: bool, admit: Callable[[int], Admission] = everybody
    ) -> None:
        self._policy = policy
        self._path = path
        self._outside = outside
        self._admit = admit
        self._outside_named = 0
        self._questions = Questions()
        self._routes: dict[str, Route] = {}
        self._behind: set[str] = set()
        """To whom they are forwarded."""
        self._forwards = 0
        """The same, each as often as it is behind one of them."""
        self._full = False
        """There are so many of these that no more recipients are taken."""

    @property
    def routes(self) -> tuple[Route, ...]:
        """Those that were named, then those to whom they are forwarded."""
        return with_forwards(self._routes.values())

    def add(self, path: ForwardPath) -> Reply | Coroutine[Any, Any, Reply]:
        """The reply to RCPT; a coroutine of it where the primary has to be asked."""
        if str(path.address) in self._routes:
            return _taken(path)
        if self._full:
            return TOO_MANY_BEHIND
        verdict = self._policy.recipient(
            path,
            size=self._path.size or 0,
            questions=self._questions,
            outside=self._outside,
            null_sender=self._path.address is None,
        )
        if isinstance(verdict, Route | Reply):
            return self._take(verdict)
        return self._take_later(verdict)

    async def _take_later(self, verdict: Coroutine[Any, Any, Route | Reply]) -> Reply:
        taken = self._take(await verdict)
        return taken if isinstance(taken, Reply) else await taken

    def _take(self, verdict: Route | Reply) -> Reply | Coroutine[Any, Any, Reply]:
        if isinstance(verdict, Reply):
            return verdict
        if verdict.domain is None:
            refusal = self._admit(self._outside_named + 1)
            if refusal is not None:
                return refusal
            self._outside_named += 1
        behind = self._behind.union(route.path.address.key for route in verdict.forwards)
        self._forwards += len(verdict.forwards)
        too_many = len(behind) > MOST_ADDRESSES or self._forwards > MOST_FORWARDS
        if self._routes and verdict.forwards and too_many:
            # One message, a thousand aliases of a thousand: a stranger would have us send a million.
            self._full = True
            return TOO_MANY_BEHIND
        self._behind = behind
        # Named twice it still goes to the primary once; <postmaster> may have become a whole address.
        self._routes.setdefault(str(verdict.path.address), verdict)
        return _taken(verdict.path)


def _taken(path: ForwardPath) -> Reply:
    return Reply.of(250, "2.1.5", f"<{path.address}> ok")
