"""Refusals by a primary: which are the message's own fault, and which may be an accident of the primary's.

The one table of it (RFC 3463 codes, and those that Exchange and Postfix really say). What is the message's fault would
be refused tomorrow, too: its sender is told at once. Everything else speaks of a mailbox, of the primary or of us. For
a recipient who was good until now that is more often a mistake at the primary (a directory that did not come up, a
domain that was taken out of its list) than the truth, and a person decides. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.model.outcome import Reply
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

ANY = frozenset(Stage)
CONTENT_SEEN = frozenset({Stage.FINAL})


@dataclass(frozen=True, slots=True)
class Rule:
    """``begins``: of the enhanced code, to the end of a number. ``code``: of a reply that has none."""

    begins: str
    why: str
    stages: frozenset[Stage] = ANY
    code: int = 0


OF_THE_MESSAGE: tuple[Rule, ...] = (
    Rule("5.1.7", "its sender's address is malformed"),
    Rule("5.1.8", "its sender's domain does not exist, or takes no mail"),
    Rule("5.2.3", "longer than this mailbox takes"),
    Rule("5.3.4", "larger than the primary takes"),
    Rule("5.6", "its content: bare line ends, forbidden attachments, conversion that is not possible"),
    # Before the content was seen 5.7 says "relaying denied", "client host blocked", "sender not permitted to us": a
    # mistake in the primary's rules for us. After it, it is what filters of spam, viruses and DMARC say all day.
    Rule("5.7", "its content is not wanted", stages=CONTENT_SEEN),
    # RFC 5321 §4.2.3 knows 552 for a full mailbox, too, which is told by 5.2.2; without any code, after the octets or
    # their number were seen, it means too large.
    Rule("", "larger than the primary takes", stages=frozenset({Stage.MAIL, Stage.FINAL}), code=552),
)


def fault_of_message(outcome: RecipientOutcome) -> str:
    """Why a refusal is the message's own fault; empty where it may be an accident."""
    if outcome.reply is None or outcome.stage is Stage.LOCAL:
        return "decided here"
    return next((rule.why for rule in OF_THE_MESSAGE if _fits(rule, outcome.stage, outcome.reply)), "")


def may_be_accident(outcome: RecipientOutcome) -> bool:
    return outcome.verdict is Verdict.REFUSED and not fault_of_message(outcome)


def _fits(rule: Rule, stage: Stage, reply: Reply) -> bool:
    if stage not in rule.stages:
        return False
    if rule.code:
        return reply.code == rule.code and not reply.enhanced
    return f"{reply.enhanced}.".startswith(f"{rule.begins}.")
