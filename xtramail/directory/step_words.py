"""What people are told of a step that a primary took: one true sentence, and what to do next.

Owns the words alone; that a step is told is ``primaries``', who is told is ``delivery/alerts``'.
"""

from __future__ import annotations

from xtramail.model.clock import utc_text
from xtramail.model.primary import State
from xtramail.store.outages import Transition

KIND = "primary-state"


def words(name: str, step: Transition) -> str:
    """A text for people about a step of the primary of the domain ``name``."""
    match State(step.after):
        case State.SUSPECT:
            return (
                f"The primary of {name} failed: {step.cause}. Mail still goes to it; if it fails again it counts as "
                f"down. Nothing is to be done yet."
            )
        case State.DOWN:
            return (
                f"The primary of {name} is down: {step.cause}. Its mail is taken and can be read here; it is handed "
                f"over by itself when the primary answers again. Look at the primary, and at: "
                f"xtramail outage status {name}"
            )
        case State.RECOVERING if step.before == State.HELD:
            # Whether it takes mail is seen by trying.
            by = f" by {step.by}" if step.by else ""
            return (
                f"Mail for {name} is let go{by} ({step.cause}). What waited is being handed over, the oldest first. "
                f"Nothing is to be done."
            )
        case State.RECOVERING:
            return (
                f"The primary of {name} takes mail again ({step.cause}). What waited is being handed over, the oldest "
                f"first. Nothing is to be done."
            )
        case State.HELD:
            by = f" by {step.by}" if step.by else ""
            return (
                f"Mail for {name} is held{by}: {step.cause}. It is taken and can be read here. Let it go with: "
                f"xtramail domain release {name}"
            )
        case State.UP:
            return f"The primary of {name} is up: {step.cause}. Nothing is to be done."


def fields(step: Transition) -> dict[str, str]:
    """The same for programs."""
    named = {
        "from": step.before,
        "to": step.after,
        "cause": step.cause,
        "by": step.by,
        "since": utc_text(step.at),
        "outage": str(step.outage) if step.outage else "",
    }
    return {name: value for name, value in named.items() if value}
