"""One transaction as the client sees it: what was said of the sender, of each recipient, of the message.

Owns the outcomes; not the dialogue. A reply decides for everyone who has no outcome yet.
"""

from __future__ import annotations

from xtramail.model.outcome import Reply
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict


class Transaction:
    """``accepted`` are the indexes of recipients that wait for the message's own reply."""

    __slots__ = ("_outcomes", "accepted", "asking", "dot_sent", "failed")

    def __init__(self, recipients: int, *, asking: bool = False) -> None:
        self.asking = asking
        """No message will follow: the answer to RCPT is all we want."""
        self._outcomes: list[RecipientOutcome | None] = [None] * recipients
        self.accepted: list[int] = []
        self.failed = False
        """MAIL was refused: what is said of recipients counts no more."""
        self.dot_sent = False

    def sender_refused(self, reply: Reply) -> None:
        """MAIL was answered with 4xx or 5xx."""
        self.failed = True
        self.decide(Stage.MAIL, reply)

    def recipient_answered(self, index: int, reply: Reply) -> None:
        """RCPT was answered."""
        if self.failed:
            return
        if reply.code // 100 == 2 and not self.asking:
            self.accepted.append(index)
        else:
            self._outcomes[index] = _outcome(Stage.RCPT, reply)

    def decide(self, stage: Stage, reply: Reply) -> None:
        """``reply`` is the outcome of all who have none yet."""
        outcome = _outcome(stage, reply)
        self._outcomes = [known or outcome for known in self._outcomes]
        self.accepted = []

    def lost(self, stage: Stage) -> None:
        """The connection went: who could have been served is unconfirmed once the final dot was written."""
        for index, known in enumerate(self._outcomes):
            if known is None:
                unsure = self.dot_sent and index in self.accepted
                verdict = Verdict.UNCONFIRMED if unsure else Verdict.DEFERRED
                self._outcomes[index] = RecipientOutcome(verdict=verdict, stage=stage, reply=None)
        self.accepted = []

    def outcomes(self) -> tuple[RecipientOutcome, ...]:
        """All of them; only once each recipient has one."""
        return tuple(outcome for outcome in self._outcomes if outcome is not None)


def _outcome(stage: Stage, reply: Reply) -> RecipientOutcome:
    match reply.code // 100:
        case 2:
            verdict = Verdict.DELIVERED
        case 5:
            verdict = Verdict.REFUSED
        case _:
            verdict = Verdict.DEFERRED
    return RecipientOutcome(verdict=verdict, stage=stage, reply=reply)
