"""What MAIL and RCPT said (RFC 5321 §2.3.1), with the parameters of 8BITMIME, SMTPUTF8 and DSN (RFC 3461)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xtramail.model.address import Address


class BodyType(StrEnum):
    """BODY= of MAIL (RFC 6152 §2)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


@dataclass(frozen=True, slots=True)
class ReversePath:
    """``address`` None is the null sender ``<>``."""

    address: Address | None
    size: int | None = None
    body: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    ret: str | None = None
    """RET= of DSN: FULL or HDRS."""
    envid: str | None = None
    """ENVID= of DSN, still in xtext."""


@dataclass(frozen=True, slots=True)
class ForwardPath:
    address: Address
    notify: tuple[str, ...] = ()
    """NOTIFY= of DSN: NEVER, or some of SUCCESS, FAILURE, DELAY; empty when it was not given."""
    orcpt: str | None = None
    """ORCPT= of DSN, still in xtext."""


@dataclass(frozen=True, slots=True)
class Envelope:
    reverse_path: ReversePath
    forward_paths: tuple[ForwardPath, ...]
