"""What the relay tells: each outcome once, to the mail log and to the metrics."""

from __future__ import annotations

from twisted.python.failure import Failure

from xtramail.delivery.overdue import Risk
from xtramail.delivery.raising import Say, say_nothing
from xtramail.delivery.relay import Attempt
from xtramail.model.clock import utc_text
from xtramail.model.errors import XtramailError
from xtramail.model.ids import id_text
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store.outages import Transition
from xtramail.store.records import QueueEntry
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics


class RelayLog:
    def __init__(self, metrics: Metrics, say: Say = say_nothing) -> None:
        self._metrics = metrics
        self._say = say
        self.handed: dict[str, float] = {}
        """By domain, when that arrived which was handed to its primary last."""

    def attempt(self, attempt: Attempt) -> None:
        """One line for each recipient that was tried, with the words of the host."""
        entry, host = attempt.entry, attempt.host
        for recipient in attempt.changed:
            to, reply = recipient.address, recipient.reply
            reason = attempt.parked.get(to, "") if recipient.fate in OPEN_FATES else ""
            if reason:
                maillog.recipient_held(message_id=entry.message_id, recipient=to, host=host, reply=reply, reason=reason)
                self._metrics.relayed("held")
            elif recipient.fate == Fate.SUPPRESSED:
                maillog.recipient_suppressed(message_id=entry.message_id, recipient=to, by=reply)
                self._metrics.relayed("suppressed")
            elif recipient.fate == Fate.DELIVERED:
                maillog.recipient_delivered(
                    message_id=entry.message_id, recipient=to, host=host, reply=reply, tls=attempt.policy
                )
                self._metrics.relayed("delivered")
                self._metrics.held(max(recipient.changed - entry.arrival, 0))
                if entry.kind == "primary":
                    self.handed[entry.destination] = entry.arrival
            elif recipient.fate == Fate.BOUNCED:
                maillog.recipient_bounced(message_id=entry.message_id, recipient=to, host=host, reply=reply)
                self._metrics.relayed("bounced")
            elif recipient.fate == Fate.UNCONFIRMED:
                maillog.recipient_unconfirmed(message_id=entry.message_id, recipient=to, host=host, reason=reply)
                self._metrics.relayed("unconfirmed")
            else:
                maillog.recipient_deferred(
                    message_id=entry.message_id,
                    recipient=to,
                    host=host,
                    reply=reply,
                    next_attempt=entry.due,
                    tls=attempt.policy,
                )
                self._metrics.relayed("deferred")

        if attempt.unreadable:
            text = f"message {id_text(entry.message_id)}: {attempt.unreadable}; run xtramail verify"
            maillog.alarm(kind="body", text=text)

    def primary_changed(self, domain: str, step: Transition) -> None:
        """A step of a primary in its table of states."""
        maillog.primary_changed(domain=domain, before=step.before, after=step.after, cause=step.cause)
        self._metrics.primary_changed(step.after)

    def at_risk(self, risk: Risk) -> None:
        """Mail that is given up within a day, unless somebody does something."""
        at = utc_text(risk.first)
        text = f"{risk.messages} messages or more for {risk.destination} are given up from {at} on"
        text += f"; see: xtramail queue list --domain {risk.destination}"
        maillog.alarm(kind="mail-at-risk", text=text)
        self._say("mail-at-risk", risk.destination, text, {"messages": str(risk.messages), "first": at})

    def untold(self, entry: QueueEntry, why: str) -> None:
        """A sender who is not told that his message failed: only the admin can hear of it."""
        maillog.alarm(kind="sender-not-told", text=f"message {id_text(entry.message_id)} failed; {why}")

    def fault(self, entry_id: int, error: BaseException) -> None:
        """Work on an entry failed, or (0) on the queue: the store could not read or write, or there is a bug in it."""
        if isinstance(error, XtramailError):
            what = f"queue entry {id_text(entry_id)}" if entry_id else "queue"
            maillog.alarm(kind="relay", text=f"{what}: {type(error).__name__}: {error}")
        else:
            maillog.bug(where="relay", failure=Failure(error))  # type: ignore[no-untyped-call]
            self._metrics.bug("relay")

    def imap_refused(self, domain: str, text: str) -> None:
        """The primary of a domain refuses the login with which its mailboxes are to be opened."""
        maillog.alarm(kind="primary-imap", text=f"{domain}: {text}")
