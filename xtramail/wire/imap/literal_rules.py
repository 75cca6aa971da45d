"""Which announced literals are taken (RFC 7888): never "+" for one over its limit."""

from __future__ import annotations

from enum import Enum

_LITERAL_MINUS = 4096


class Verdict(Enum):
    TAKE = "take"
    REFUSE = "refuse"
    """Answer instead of "+": the client waits and will not send it."""
    CLOSE = "close"
    """It comes unasked and is not worth reading past: BYE (RFC 7888 §4)."""


def judge_literal(size: int, most: int, *, synchronizing: bool, offered: frozenset[str]) -> Verdict:
    """``size`` and ``most`` in octets. Unasked: any size under LITERAL+, up to 4096 under LITERAL- (§4, §5)."""
    if synchronizing:
        return Verdict.TAKE if size <= most else Verdict.REFUSE
    allowed = "LITERAL+" in offered or ("LITERAL-" in offered and size <= _LITERAL_MINUS)
    return Verdict.TAKE if allowed and size <= most else Verdict.CLOSE
