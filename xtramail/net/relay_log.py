"""What the relay tells: each outcome once, to the mail log and to the metrics."""

from __future__ import annotations

from xtramail.delivery.relay import Attempt
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.store.records import QueueEntry
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


class RelayLog:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempt(self, attempt: Attempt) -> None:
        """One line for each recipient that was tried, with the words of the host."""
        entry, host = attempt.entry, attempt.host
        for recipient in attempt.changed:
            to, reply = recipient.address, recipient.reply
            if recipient.fate == Fate.DELIVERED:
                maillog.recipient_delivered(message_id=entry.message_id, recipient=to, host=host, reply=reply)
                self._metrics.relayed("delivered")
            elif recipient.fate == Fate.BOUNCED:
                maillog.recipient_bounced(message_id=entry.message_id, recipient=to, host=host, reply=reply)
                self._metrics.relayed("bounced")
            elif recipient.fate == Fate.UNCONFIRMED:
                maillog.recipient_unconfirmed(message_id=entry.message_id, recipient=to, host=host, reason=reply)
                self._metrics.relayed("unconfirmed")
            else:
                maillog.recipient_deferred(
                    message_id=entry.message_id, recipient=to, host=host, reply=reply, next_attempt=entry.due
                )
                self._metrics.relayed("deferred")

    def untold(self, entry: QueueEntry, why: str) -> None:
        """A sender who is not told that his message failed: only the admin can hear of it."""
        maillog.alarm(kind="sender-not-told", text=f"message {id_text(entry.message_id)} failed; {why}")
        self._metrics.alarm("sender-not-told")

    def fault(self, entry_id: int, error: BaseException) -> None:
        """The outcome of an attempt could not be written down: its lease runs out, then it is tried again."""
        maillog.alarm(kind="relay", text=f"queue entry {id_text(entry_id)}: {type(error).__name__}: {error}")
        self._metrics.alarm("relay")
