"""How large a message one user may send, and how much to the world: by his own setting where there is one, else his
domain's.

Recipients outside are counted, never colleagues. Owns the settings and which of them counts; what was sent is
``store/rates``', what becomes of who goes over it is ``delivery/rates``'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xtramail.directory.precedence import counts
from xtramail.model.size import parse_size
from xtramail.store.records import Account, DomainRow

RATE = "send-rate"
"""Setting of a domain and of a user: most recipients outside in an hour; 0: any number."""
RATE_DEFAULT = "500"
OVER = "send-over"
"""Of a domain: what becomes of who goes over it, ``block`` or ``defer``."""
OVER_DEFAULT = "block"
REFUSED = "send-refused"
"""Of a domain: so many recipients refused in an hour, and the account is blocked; 0: never."""
REFUSED_DEFAULT = "50"
SIZE = "message-size"
"""Of a domain and of a user: the largest message that a user sends, in octets; empty: the server's own limit."""
SIZE_LEAST = 1 << 10
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class SendingLimit:
    """0 stands for no limit."""

    per_hour: int
    over: Literal["block", "defer"]
    refused: int


def limit_of(domain: DomainRow, account: Account) -> SendingLimit:
    """What holds for ``account``, a user of ``domain``."""
    return SendingLimit(
        per_hour=int(counts(RATE, user=account, domain=domain, default=RATE_DEFAULT)),
        over="defer" if counts(OVER, domain=domain, default=OVER_DEFAULT) == "defer" else "block",
        refused=int(counts(REFUSED, domain=domain, default=REFUSED_DEFAULT)),
    )


def largest(domain: DomainRow | None, account: Account, server: int) -> int:
    """Octets of the largest message that ``account`` sends; ``server``: that anybody does."""
    return min(int(counts(SIZE, user=account, domain=domain, default="") or server), server)


def size(value: str) -> str:
    """A rule of ``domain_settings``."""
    octets = parse_size(value)
    if octets < SIZE_LEAST:
        raise ValueError("at least 1KiB")
    return str(octets)
