"""What an SMTP client connection tells its courier.

Owns the event types of :class:`xtramail.wire.smtp.client.SmtpClientConnection` and the per-recipient outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from xtramail.model.outcome import Reply


class Stage(StrEnum):
    """Where in the dialogue a reply belongs: a 5xx at connect, hello or mail is a state of the server, not of the
    message.
    """

    CONNECT = "connect"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    FINAL = "final"
    """The reply to the final dot (or BDAT LAST)."""
    LOCAL = "local"
    """Decided here without asking: SMTPUTF8 or size not offered."""


class Verdict(StrEnum):
    """What one recipient's outcome means for the queue."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """5xx."""
    DEFERRED = "deferred"
    """4xx, 421, or the connection went before the final dot."""
    UNCONFIRMED = "unconfirmed"
    """The final dot was written and its answer never came: may have been delivered."""


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """``reply`` decided; None when the connection was lost (then ``stage`` is where)."""

    verdict: Verdict
    stage: Stage
    reply: Reply | None


@dataclass(frozen=True, slots=True)
class Greeted:
    """220. Go on with ``hello()``."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Ready:
    """EHLO (or HELO) was accepted: ``starttls``, ``login``, ``begin``, ``ask`` and ``quit`` are allowed.

    ``extensions`` maps upper-case keywords to their parameters (``{"SIZE": "1000", "PIPELINING": ""}``); empty after
    HELO.
    """

    reply: Reply
    extensions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Declined:
    """The server said no to ``stage`` (connect, hello, starttls, auth). After starttls and auth the connection goes
    on.
    """

    stage: Stage
    reply: Reply


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """235."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``octets``: the next commands of what is under way."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """The server takes the message for the recipients ``accepted`` (indexes into the envelope's forward-paths).

    Now ``body(chunk)`` ..., ``body_end()``, write the attempt row, ``final_dot()``.
    """

    accepted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """One transaction is over: one outcome for each forward-path, in the envelope's order."""

    outcomes: tuple[RecipientOutcome, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server said of a recipient; ``stage`` is mail when it did not get as far. None: connection lost."""

    stage: Stage
    reply: Reply | None


@dataclass(frozen=True, slots=True)
class Goodbye:
    """QUIT was answered, or the server ended with 421 while nothing was under way. ``Need.CLOSE`` follows."""

    reply: Reply


ClientEvent: TypeAlias = Greeted | Ready | Declined | LoggedIn | Send | BodyWanted | Finished | Asked | Goodbye
