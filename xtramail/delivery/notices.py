"""Notices (RFC 3464): who may be told what became of a message, and the writes that tell him.

Failure is told unless the sender said otherwise, success only to who asked for it (RFC 3461 §4.1): *delivered* where
the mailbox is the end, *relayed* where the next host promises no report of its own.

A notice is accepted mail of its own (``own_mail``), in the commit that fails its cause. It goes to senders that we
serve or that logged in. A sender in the outside world is told only of mail that we held for a recipient known to be
good and then gave up (a refusal by the primary may answer a forged address), and only if its domain takes mail. Never
to the null sender (RFC 5321 §4.5.5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from xtramail.delivery import accepted_rows as rows
from xtramail.delivery.own_mail import OwnMail
from xtramail.delivery.policy import Route
from xtramail.delivery.routing import MailHosts, NoMailHost
from xtramail.directory.directory import Directory
from xtramail.model.address import Address
from xtramail.model.bucket import bucket_class
from xtramail.model.envelope import ForwardPath
from xtramail.model.errors import BadInput, Corrupt, NoSuchMessage, Unavailable
from xtramail.model.ids import id_text
from xtramail.model.outcome import Fate
from xtramail.store import bodies
from xtramail.store.records import QueueEntry, QueueRecipient
from xtramail.wire.mime.compose import RecipientStatus, Report, delivery_report
from xtramail.wire.mime.dates import format_date

HEADER_OCTETS = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """``relay.Notices``; ``untold(entry, why)`` is for the log: the admin is the only one who hears of it."""

    directory: Directory
    hosts: MailHosts
    own_mail: OwnMail
    untold: Callable[[QueueEntry, str], None]

    async def parts(self, entry: QueueEntry, settled: Sequence[QueueRecipient], now: float) -> list[rows.Part]:
        """See ``relay.Notices``."""
        told = [recipient for recipient in settled if _wants(recipient)]
        failed = any(recipient.fate == Fate.BOUNCED for recipient in told)
        if not told:
            return []
        if not entry.reverse_path:
            if failed:
                self.untold(entry, "it came from the null sender")
            return []
        try:
            route = await self._route(entry, Address.parse(entry.reverse_path), told)
        except BadInput as error:
            route = f"its sender cannot be answered: {error.text}"
        if isinstance(route, str):
            if failed:
                self.untold(entry, route)
            return []
        report = delivery_report(self._report(entry, told, now))
        home = bucket_class(entry.body.bucket)
        return (await self.own_mail.write(report, [route], retention_class=home, now=now)).parts

    async def _route(self, entry: QueueEntry, sender: Address, told: Sequence[QueueRecipient]) -> Route | str:
        """Where the notice goes, or why it goes nowhere."""
        path = ForwardPath(address=sender, notify=("NEVER",))
        domain = self.directory.domain(sender.domain)
        if domain is not None:
            found = self.directory.resolve(sender)
            forwards = self.own_mail.policy.forwarding.forwards(path, found)
            if found.relay or found.accounts or forwards:
                return Route(
                    path=path,
                    domain=domain,
                    accounts=found.accounts,
                    relay=found.relay,
                    destination=found.destination,
                    keepings=found.keepings,
                    forwards=forwards,
                )
            return "its sender has no mailbox here any more"
        if entry.origin != "submission":
            if any(recipient.code >= 500 for recipient in told):
                return "its outside sender may be forged"
            try:
                await self.hosts.mail_hosts(sender.domain_key)
            except NoMailHost as error:
                return f"its sender cannot be answered: {error.text}"
            except Unavailable:
                # DNS says nothing now: the notice waits in the queue until it does, or until its own time is over.
                pass
        return Route(path=path, domain=None, accounts=(), relay=True, destination=sender.domain_key)

    def _report(self, entry: QueueEntry, told: Sequence[QueueRecipient], now: float) -> Report:
        reference = f"Its header is attached; our reference is {id_text(entry.message_id)}.\n"
        texts = [
            f"{sentence}\n\n{_names(some)}\n"
            for sentence, some in (
                ("Your message could not be delivered to:", [r for r in told if r.fate == Fate.BOUNCED]),
                ("Your message was delivered or handed on for:", [r for r in told if r.fate != Fate.BOUNCED]),
            )
            if some
        ]
        failed = any(r.fate == Fate.BOUNCED for r in told)
        last = "It will not be tried again. " if failed else "There will be no further report. "
        message = id_text(self.own_mail.ids.next())
        return Report(
            reporting_mta=self.own_mail.hostname,
            sender_address=f"postmaster@{self.own_mail.hostname}",
            to=entry.reverse_path,
            subject="Your message was not delivered" if failed else "Your message was delivered",
            text="\n".join([*texts, last + reference]),
            date=format_date(now),
            message_id=f"<{message}@{self.own_mail.hostname}>",
            boundary=f"=_{message}",
            recipients=[_status(recipient) for recipient in told],
            original_header=self._header(entry),
            arrived_at=entry.arrival,
            envelope_id=_from_xtext(entry.envid),
            in_reply_to=entry.header_message_id,
        )

    def _header(self, entry: QueueEntry) -> bytes:
        length = min(entry.body.header_length, HEADER_OCTETS) - entry.body.return_path_length
        try:
            return bodies.read(self.own_mail.engine, entry.body, entry.body.return_path_length, max(length, 0))
        except (Corrupt, NoSuchMessage):
            return b""


def _wants(recipient: QueueRecipient) -> bool:
    """RFC 3461 §4.1: of failure unless he says otherwise, of success only when he says so."""
    asked = recipient.notify.split(",") if recipient.notify else ["FAILURE"]
    return ("FAILURE" if recipient.fate == Fate.BOUNCED else "SUCCESS") in asked


def _names(some: Sequence[QueueRecipient]) -> str:
    return "\n".join(f"  {r.address}\n    {r.reply or 'no answer'}" for r in some)


def _status(recipient: QueueRecipient) -> RecipientStatus:
    if recipient.fate != Fate.BOUNCED:
        return RecipientStatus(
            final_recipient=recipient.address,
            # A reply code is the next host's word; without one the mailbox here was the end.
            action="relayed" if recipient.code else "delivered",
            status="2.0.0",
            diagnostic=recipient.reply if recipient.code else "",
            original_recipient=_original(recipient.orcpt),
        )
    words = recipient.reply.split()
    given = words[1] if recipient.code >= 500 and len(words) > 1 and words[1].startswith("5.") else ""
    return RecipientStatus(
        final_recipient=recipient.address,
        action="failed",
        # 5.4.7: delivery time expired (RFC 3463 §3.5)
        status=given or ("5.0.0" if recipient.code >= 500 else "5.4.7"),
        diagnostic=recipient.reply if recipient.code else "",
        original_recipient=_original(recipient.orcpt),
    )


def _original(orcpt: str) -> str:
    """ORCPT as a report shows it (RFC 3464 §2.3.1): the type as given, the address without xtext.

    An address of type utf-8 (RFC 6533 §3) is shown as it came: in it ``+`` stands for itself.
    """
    kind, semicolon, address = orcpt.partition(";")
    return orcpt if kind.upper() == "UTF-8" else kind + semicolon + _from_xtext(address)


def _from_xtext(text: str) -> str:
    """RFC 3461 §4: ``+41`` stands for ``A``."""
    return unquote(text.replace("%", "%25").replace("+", "%"))


