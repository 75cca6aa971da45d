"""How far a long command has come (RFC 9585), told so that its client neither gives up nor asks again.

Owns when. Only between whole lines: for work that ends in one line and is silent until then.
"""

from __future__ import annotations

from collections.abc import Iterator

from xtramail.mailbox.session import Session
from xtramail.mailbox.turns import Turns
from xtramail.wire.imap import responses

EVERY_SECONDS = 10.0
"""RFC 9585 §4 has 10 to 15 seconds."""


def progress_line(tag: bytes, done: int, goal: int) -> bytes:
    """``done`` of ``goal`` messages; neither is told where there is no goal above what is done."""
    return responses.ok("Still at work", responses.in_progress_code(tag, done, goal))


def told_steps(session: Session, tag: bytes, steps: Iterator[None], turns: Turns) -> Iterator[bytes]:
    """An empty piece for each step, or the line when it is time."""
    clock = session.services.clock
    due = clock.monotonic() + EVERY_SECONDS if session.terms.offers("INPROGRESS") else float("inf")
    for _ in steps:
        now = clock.monotonic()
        if now < due:
            yield b""
            continue
        due = now + EVERY_SECONDS
        yield progress_line(tag, turns.done, turns.goal)
