"""What one attempt, or one probe, shows of a primary. Pure: reads outcomes, decides no state and no fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xtramail.delivery.courier import Carried
from xtramail.model.outcome import Reply
from xtramail.model.primary import Sign
from xtramail.store.records import QueueRecipient
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

_OWN_STAGES = frozenset({Stage.CONNECT, Stage.HELLO, Stage.STARTTLS, Stage.AUTH})


@dataclass(frozen=True, slots=True)
class Signs:
    """``sign`` None: it shows nothing of the primary (the message could not be read, nobody was asked)."""

    sign: Sign | None
    cause: str = ""
    recipients: tuple[str, ...] = ()
    """Who was deferred."""
    throttled: bool = False
    """It wants less: give-back goes a step slower."""


NOTHING = Signs(sign=None)
ANSWERED = Signs(sign=Sign.GOOD, cause="it answers")


def signs_of(tried: Sequence[QueueRecipient], carried: Carried) -> Signs:
    """``tried`` and the outcomes in ``carried`` go together, one for one."""
    outcomes = carried.outcomes
    throttled = any(outcome.reply is not None and is_throttling(outcome.reply) for outcome in outcomes)
    if not outcomes or all(outcome.stage is Stage.LOCAL for outcome in outcomes):
        return NOTHING
    if any(outcome.verdict is Verdict.DELIVERED for outcome in outcomes):
        return Signs(sign=Sign.GOOD, cause="it took a message", throttled=throttled)
    trouble = next((outcome for outcome in outcomes if _own_trouble(outcome)), None)
    if trouble is not None:
        said = trouble.reply.text if trouble.reply is not None else carried.fault or f"hung up at {trouble.stage}"
        return Signs(sign=Sign.FAULT, cause=f"{carried.host}: {said}", throttled=throttled)
    deferred = tuple(
        recipient.address
        for recipient, outcome in zip(tried, outcomes, strict=True)
        if outcome.reply is not None and outcome.reply.transient
    )
    if not deferred:
        # It refused this or that: it is there, and at work.
        return Signs(sign=Sign.GOOD, cause="it answers", throttled=throttled)
    said = next(o.reply.text for o in outcomes if o.reply is not None and o.reply.transient)
    return Signs(sign=Sign.DEFERRAL, cause=f"{carried.host}: {said}", recipients=deferred, throttled=throttled)


def _own_trouble(outcome: RecipientOutcome) -> bool:
    """Of the server, not of a recipient: no answer, 421 anywhere, or a refusal before there was a recipient."""
    if outcome.reply is None:
        return outcome.stage is not Stage.LOCAL
    if outcome.reply.code == 421 or outcome.stage in _OWN_STAGES:
        return True
    return outcome.stage is Stage.MAIL and outcome.reply.transient and not is_throttling(outcome.reply)


def signs_of_canary(reply: Reply, where: str) -> Signs:
    """What the answer at RCPT of one canary says: one recipient who is greylisted or throttled is no outage."""
    puts_off = reply.code in (450, 452) or (reply.code != 421 and is_throttling(reply))
    if reply.positive or puts_off:
        return ANSWERED
    return Signs(sign=Sign.FAULT, cause=f"{where} was not taken: {reply.text}")


def is_throttling(reply: Reply) -> bool:
    """What Exchange Online (451 4.7.500), Google (421 4.7.28, 450 4.2.1) and others say when they want less at once."""
    return reply.code in (421, 450, 451, 452) and (
        reply.enhanced.startswith("4.7.") or reply.enhanced in ("4.3.2", "4.2.1", "4.5.3") or reply.code == 452
    )
