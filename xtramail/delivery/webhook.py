"""Words between alerts and the network: what is posted, how it is signed, and what came of it.

Owns the form of a call and its signature, which receivers check. Posting is ``net/webhooks``'.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol

from xtramail.model.pending import Pending
from xtramail.model.secret import Secret

SIGNATURE = "X-Xtramail-Signature"
CALL_ID = "X-Xtramail-Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One POST. A receiver knows one that comes twice by ``id``."""

    id: str
    url: str
    body: bytes
    """JSON."""
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    good: bool
    """2xx."""
    text: str
    """``200``, or what went wrong."""


class Webhooks(Protocol):
    def post(self, call: Call) -> Pending[Answer]:
        """Never fails, and takes a bounded time."""


def signature(secret: Secret, at: int, body: bytes) -> str:
    """The header field's value: ``t=UNIX,v1=HEX``, the hex HMAC-SHA256 of ``UNIX.BODY``.

    The time is signed, too, so that a call somebody wrote down is not good for ever.
    """
    signed = hmac.new(secret.reveal().encode("utf-8"), b"%d.%b" % (at, body), hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"
