"""What the answer of a host means for a recipient in the queue. Pure: no store, no clock.

A continuity server waits where others give up: what a primary says of itself (at connect, EHLO, MAIL) only defers; what
it says of a recipient or of the message decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from xtramail.delivery.courier import Carried
from xtramail.model.outcome import Fate
from xtramail.store.records import QueueEntry, QueueRecipient
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

MOST_REPLY = 1_000
"""Octets of a host's words that are kept for a recipient, fewer where there are many of them."""
MOST_REPLIES = 24_000
"""Octets of all replies of one entry: it is one value of the store (64 KiB), and a reply may have 200 KB."""

DUPLICATE = "possible duplicate: the answer to the dot of an earlier attempt was lost"
"""What the ledger says of mail that may have been delivered twice."""

_SERVER_STAGES = frozenset({Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH})
_MESSAGE_STAGES = frozenset({Stage.RCPT, Stage.DATA, Stage.FINAL})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an attempt came to for one recipient."""

    fate: Fate
    reply: str
    code: int
    lost: bool = False
    """The answer to the dot never came."""

    def on(self, recipient: QueueRecipient, now: float) -> QueueRecipient:
        reply = self.reply
        if self.fate == Fate.DELIVERED and recipient.lost:
            reply = f"{reply}; {DUPLICATE}"
        return msgspec.structs.replace(
            recipient, fate=self.fate, reply=reply, code=self.code, changed=now, lost=recipient.lost + self.lost
        )


def judge(entry: QueueEntry, tried: Sequence[QueueRecipient], carried: Carried) -> dict[str, Judgement]:
    """By address, for the recipients that were ``tried`` (as they were when the entry was leased), one outcome each."""
    most = min(MOST_REPLY, MOST_REPLIES // max(len(entry.recipients), 1))
    return {
        recipient.address: _judged(recipient, outcome, entry, carried.fault, most)
        for recipient, outcome in zip(tried, carried.outcomes, strict=True)
    }


def _judged(
    recipient: QueueRecipient, outcome: RecipientOutcome, entry: QueueEntry, fault: str, most: int
) -> Judgement:
    reply = shortened(outcome.reply.text if outcome.reply is not None else fault, most)
    code = outcome.reply.code if outcome.reply is not None else 0
    if outcome.verdict is Verdict.DELIVERED:
        return Judgement(fate=Fate.DELIVERED, reply=reply, code=code)
    if outcome.verdict is Verdict.REFUSED and not is_server_state(outcome, entry):
        return Judgement(fate=Fate.BOUNCED, reply=reply, code=code)
    # What may have been delivered once stays so marked until the host says otherwise; one that was *attempted* when it
    # was leased was being handed over when the server died.
    doubtful = recipient.fate in (Fate.UNCONFIRMED, Fate.ATTEMPTED) or outcome.verdict is Verdict.UNCONFIRMED
    return Judgement(
        fate=Fate.UNCONFIRMED if doubtful else Fate.HELD,
        reply=reply,
        code=code,
        lost=outcome.verdict is Verdict.UNCONFIRMED,
    )


def parked(recipient: QueueRecipient, judged: Judgement) -> Judgement:
    """In place of a refusal that a person is to decide about. A refusal now says nothing of an attempt before."""
    doubtful = recipient.fate in (Fate.UNCONFIRMED, Fate.ATTEMPTED)
    return dataclasses.replace(judged, fate=Fate.UNCONFIRMED if doubtful else Fate.HELD)


def is_server_state(outcome: RecipientOutcome, entry: QueueEntry) -> bool:
    """A refusal by a primary at connect, EHLO or MAIL is its own trouble, not the message's.

    A message that is too big (552, 5.3.4) will never pass. Hosts of the outside world are believed at MAIL.
    """
    if outcome.stage in _SERVER_STAGES:
        return True
    if outcome.stage is not Stage.MAIL or not entry.for_primary or outcome.reply is None:
        return False
    return outcome.reply.code != 552 and outcome.reply.enhanced != "5.3.4"


def decides(entry: QueueEntry, carried: Carried) -> bool:
    """Whether this host, and not the next one, decides: it may have the message, or spoke of it or its recipients."""
    return any(
        outcome.verdict in (Verdict.DELIVERED, Verdict.UNCONFIRMED)
        or (outcome.verdict is Verdict.REFUSED and not is_server_state(outcome, entry))
        or (outcome.reply is not None and outcome.stage in _MESSAGE_STAGES)
        for outcome in carried.outcomes
    )


def reached(outcomes: Iterable[RecipientOutcome]) -> bool:
    """Whether the host is there: it answered MAIL, whatever it said then.

    A message in the middle of which every host hangs up must not make its destination look dead.
    """
    return any(
        outcome.stage in _MESSAGE_STAGES or (outcome.reply is not None and outcome.stage not in _SERVER_STAGES)
        for outcome in outcomes
    )


def expired(recipient: QueueRecipient, entry: QueueEntry, now: float) -> QueueRecipient:
    """Given up because its time is over. The code of a refusal goes: waiting, not refusing, ended it."""
    days = max(int((entry.expires - entry.arrival) // 86_400), 0)
    waited = f"{days} days" if days else "its time"
    reply = f"given up after {waited}; last answer: {recipient.reply or 'none'}"
    code = recipient.code if recipient.code < 500 else 0
    return msgspec.structs.replace(recipient, fate=Fate.BOUNCED, reply=reply, code=code, changed=now)


def shortened(text: str, octets: int) -> str:
    """At most so many octets of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= octets else encoded[:octets].decode("utf-8", "ignore")
