"""What the SMTP services tell: each event once, to the mail log, to the metrics, and refusals to the message log.

Owns that they agree. Names of events are ``telemetry``'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.python.failure import Failure

from xtramail.delivery.arrival import Accepted, Arrival
from xtramail.delivery.raising import Say, say_nothing
from xtramail.delivery.turned_away import TurnedAway
from xtramail.model.address import Address
from xtramail.model.ids import MessageId, id_text
from xtramail.model.outcome import Reply
from xtramail.model.peer import Peer
from xtramail.store.blocks import BlockRow
from xtramail.telemetry import maillog
from xtramail.telemetry.metrics import Metrics

_OVER_QUOTA = "copy-skipped"


class SmtpLog:
    """Also ``delivery.arrival.AcceptanceLog``. ``service`` is "smtp", "submission" or "submissions"."""

    def __init__(
        self, metrics: Metrics, say: Say = say_nothing, turned_away: TurnedAway | None = None
    ) -> None:
        """``turned_away`` None: refusals are in the mail log alone."""
        self.metrics = metrics
        self._say = say
        self._turned_away = turned_away

    def logged_in(self, service: str, peer: Peer, *, account: str, mechanism: str) -> None:
        maillog.logged_in(service=service, account=account, peer=peer, mechanism=mechanism)
        self.metrics.login(service, "good")

    def login_failed(self, service: str, *, busy: bool) -> None:
        """Counted only: ``directory.login`` tells the log why."""
        self.metrics.login(service, "busy" if busy else "refused")

    def sender_refused(
        self, service: str, peer: Peer, *, message_id: MessageId, sender: Address | None, reply: Reply
    ) -> None:
        maillog.sender_refused(service=service, peer=peer, sender=sender, reply=reply.text)
        self._keep(service, peer, "MAIL", message_id, reply, sender)

    def recipient_refused(
        self,
        service: str,
        peer: Peer,
        *,
        message_id: MessageId,
        sender: Address | None,
        recipient: Address,
        reply: Reply,
    ) -> None:
        maillog.recipient_refused(service=service, peer=peer, sender=sender, recipient=recipient, reply=reply.text)
        self.metrics.recipient_refused(service)
        self._keep(service, peer, "RCPT", message_id, reply, sender, (recipient,))

    def text_refused(
        self,
        service: str,
        peer: Peer,
        *,
        message_id: MessageId,
        sender: Address | None,
        recipients: Sequence[Address],
        reply: Reply,
    ) -> None:
        """The engine refused what came: bare CR or LF, too large."""
        maillog.message_refused(message_id=message_id, peer=peer, service=service, reply=reply.text)
        self.metrics.message_refused(service)
        self._keep(service, peer, "DATA", message_id, reply, sender, recipients)

    def bug(self, peer: Peer, failure: Failure | None = None) -> None:
        maillog.bug(where="smtp", peer=peer, failure=failure)
        self.metrics.bug("smtp")

    # AcceptanceLog.

    def accepted(self, accepted: Accepted) -> None:
        arrival = accepted.arrival
        maillog.message_accepted(
            message_id=arrival.message_id,
            service=arrival.origin,
            peer=arrival.peer,
            sender=arrival.reverse_path.address,
            recipients=[route.path.address for route in arrival.routes],
            size=accepted.size,
            account="" if arrival.sender is None else arrival.sender.address,
            header_message_id=accepted.header_message_id,
            signed=accepted.signed,
        )
        self.metrics.message_accepted(arrival.origin, accepted.size)
        if accepted.signed:
            self.metrics.message_signed()

    def sending_blocked(self, row: BlockRow) -> None:
        """By the server; its alert is written with it."""
        maillog.sending_blocked(account=row.address, cause=row.cause, reason=row.reason)
        self.metrics.sender_blocked(row.cause)

    def copy_skipped(self, arrival: Arrival, account: str) -> None:
        maillog.copy_skipped(message_id=arrival.message_id, account=account)
        self.metrics.alarm(_OVER_QUOTA)
        text = (
            f"The mailbox of {account} is over twice its quota: mail goes to the primary and is not copied any more. "
            f"Raise the quota: xtramail user set {account} quota=SIZE"
        )
        if any(one.account.address == account for one in arrival.mirrors):
            text = (
                f"The mailbox of {account} took no copy of what is mirrored into it (full, or its rows are damaged); "
                f"the mail is accepted all the same. See: xtramail user show {account}, then xtramail verify"
            )
        self._say(_OVER_QUOTA, account.rpartition("@")[2], text, {"account": account})

    def domain_full(self, arrival: Arrival, account: str) -> None:
        maillog.copy_skipped(message_id=arrival.message_id, account=account)
        self.metrics.alarm(_OVER_QUOTA)
        domain = account.rpartition("@")[2]
        text = (
            f"The mailboxes of {domain} together are over twice its quota: mail goes to the primary and is not copied "
            f"any more. See: xtramail stats quota {domain}; then: xtramail domain set {domain} quota=SIZE"
        )
        self._say(_OVER_QUOTA, domain, text, {"account": account})

    def report_lost(self, arrival: Arrival, cause: str) -> None:
        maillog.alarm(kind="report-lost", text=f"message {id_text(arrival.message_id)}: {cause}")

    def refused(self, arrival: Arrival, reply: Reply, cause: str) -> None:
        maillog.message_refused(
            message_id=arrival.message_id, peer=arrival.peer, service=arrival.origin, reply=f"{reply.text} ({cause})"
        )
        self.metrics.message_refused(arrival.origin)
        recipients = [route.path.address for route in arrival.routes]
        self._keep(
            arrival.origin,
            arrival.peer,
            "DATA",
            arrival.message_id,
            reply,
            arrival.reverse_path.address,
            recipients,
            cause,
        )

    def _keep(
        self,
        service: str,
        peer: Peer,
        command: str,
        message_id: MessageId,
        reply: Reply,
        sender: Address | None,
        recipients: Sequence[Address] = (),
        cause: str = "",
    ) -> None:
        if self._turned_away is not None:
            self._turned_away.tell(
                message_id=message_id,
                peer=peer,
                service=service,
                command=command,
                sender=sender,
                recipients=recipients,
                reply=reply,
                cause=cause,
            )
