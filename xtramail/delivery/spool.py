"""The text of one message on its way into the store: written as it comes, scanned as it comes, never held whole.

Owns one body in each bucket that needs it (recipients of one message may live in several retention classes) and the one
scan of it. What is linked to the bodies, and when, is ``acceptance``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xtramail.delivery.signing import UNSIGNED, Signed
from xtramail.model.bucket import Bucket
from xtramail.model.message import Summary
from xtramail.model.pending import Pending
from xtramail.store.bodies import BodyRef, BodyWriter, Tail
from xtramail.store.engine import Engine
from xtramail.wire.mime.scanner import Scanner


@dataclass(frozen=True, slots=True)
class Spooled:
    """A finished text. ``bodies``: reference and unwritten last chunks for each bucket."""

    body_id: int
    summary: Summary
    bodies: dict[Bucket, tuple[BodyRef, Tail]]
    signed: Signed = UNSIGNED
    """What goes out on top of it; no part of the bodies."""

    def ref(self, bucket: Bucket) -> BodyRef:
        return self.bodies[bucket][0]


class Spool:
    """``write`` the stored octets (Return-Path line first), then ``finish``."""

    def __init__(
        self,
        engine: Engine,
        *,
        body_id: int,
        buckets: Sequence[Bucket],
        return_path_length: int,
        clock: Callable[[], float],
        top: bytes = b"",
    ) -> None:
        """``body_id`` unused in every one of ``buckets``; ``clock`` seconds of work, for the scanner's time budget.

        ``top`` comes before what is written first, and with it: a piece of its own costs 1 % of a message.
        """
        self._top = top
        self._body_id = body_id
        self._return_path_length = return_path_length
        self._writers = {bucket: BodyWriter(engine, bucket, body_id) for bucket in buckets}
        self._scanner = Scanner(clock=clock)

    def write(self, octets: bytes) -> Pending[None] | None:
        """A Pending asks for a pause until the store has taken what was handed to it; it never fails."""
        if self._top:
            octets, self._top = self._top + octets, b""
        self._scanner.feed(octets)
        waits = [pending for writer in self._writers.values() if (pending := writer.write(octets)) is not None]
        return all_done(waits) if waits else None

    async def finish(self) -> Spooled:
        """Wait for what was handed over. Raises StoreFull, StoreFault, or NoSuchMessage (its bucket was dropped)."""
        if self._top:
            self.write(b"")
        bodies = {bucket: writer.finish(self._return_path_length) for bucket, writer in self._writers.items()}
        for writer in self._writers.values():
            await writer.settled()
        return Spooled(body_id=self._body_id, summary=self._scanner.finish(), bodies=bodies)


def all_done(pendings: Sequence[Pending[None]]) -> Pending[None]:
    """Done when each of ``pendings`` is, whatever came of it."""
    done: Pending[None] = Pending()
    left = len(pendings)

    def one_done(_: Pending[None]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.settle(None)

    for pending in pendings:
        pending.when_done(one_done)
    return done
