"""One message through us to a primary, as the world would send it, followed until the primary has it.

Blocking, for the command line. Comes in by our own port for the world, from the null sender, so that nothing ever comes
back; then the ledger, the queue and, where it is set up, the primary's IMAP are looked at. Owns the steps and what to
do when one fails; what is sent stays one ordinary message.
"""

from __future__ import annotations

import secrets
import smtplib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from xtramail.app.probe import Probe, Step
from xtramail.directory.imap_access import ImapAccess
from xtramail.model.ids import id_from_text, id_seconds, id_text
from xtramail.model.outcome import Fate
from xtramail.net.imap_visit import Visit, VisitFailed
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.records import LedgerRow, QueueEntry
from xtramail.wire.mime.compose import Note, note
from xtramail.wire.mime.dates import format_date

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 60.0
LOOK_SECONDS = 0.1
VISIT_SECONDS = 2.0
_SLACK = 10.0
"""Seconds between the times at which a message got its id and was accepted, at most."""


@dataclass(frozen=True, slots=True)
class _Standing:
    row: LedgerRow | None
    entry: QueueEntry | None


class _Failed(Exception):
    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.text = text
        self.remedy = remedy


class Run:
    """One probe at work; :meth:`steps` once."""

    def __init__(self, probe: Probe, engine: Engine) -> None:
        self._probe = probe
        self._engine = engine
        self._began = time.monotonic()
        self._message_id = f"<probe.{secrets.token_hex(10)}@{probe.hostname}>"
        self.id = 0
        """Ours, once it was taken."""

    def steps(self) -> Iterator[Step]:
        """Each step as it ends; the last one is good, or says what to do."""
        what = "connect"
        try:
            with self._connect() as client:
                yield self._good(what, f"{self._place} answers")
                what = "TLS"
                yield self._good(what, self._tls(client))
                what = "recipient"
                yield self._good(what, self._recipient(client))
                what = "message"
                yield self._good(what, self._message(client))
            what = "primary"
            yield from self._follow()
            if self._probe.access is not None:
                what = "mailbox"
                yield self._good(what, self._mailbox(self._probe.access))
        except _Failed as failed:
            yield Step(what=what, good=False, text=failed.text, seconds=self._seconds, remedy=failed.remedy)
        except (OSError, smtplib.SMTPException) as error:
            text = str(error) or type(error).__name__
            remedy = "look into the server's log, and run xtramail doctor"
            yield Step(what=what, good=False, text=f"{self._place}: {text}", seconds=self._seconds, remedy=remedy)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def _place(self) -> str:
        host, port = self._probe.place
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _good(self, what: str, text: str) -> Step:
        return Step(what=what, good=True, text=text, seconds=self._seconds)

    def _connect(self) -> smtplib.SMTP:
        host, port = self._probe.place
        try:
            client = smtplib.SMTP(host, port, local_hostname=self._probe.hostname, timeout=CONNECT_SECONDS)
        except smtplib.SMTPConnectError as error:
            text = error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()
            raise _Failed(_reply(error.smtp_code, text), "the server takes no mail now: xtramail doctor says") from None
        except OSError as error:
            raise _Failed(
                f"{self._place}: {error.strerror or error}", "is it our server that listens there? xtramail doctor"
            ) from None
        if client.sock is not None:
            client.sock.settimeout(REPLY_SECONDS)
        client.ehlo_or_helo_if_needed()
        return client

    def _tls(self, client: smtplib.SMTP) -> str:
        if not client.has_extn("starttls"):
            raise _Failed("STARTTLS is not offered", "install a certificate: xtramail cert install CRT KEY")
        # As the world does it: any certificate will do (RFC 7435). Whether it is a good one is doctor's question.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client.starttls(context=context)
        client.ehlo()
        version = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
        return f"{version or 'TLS'} after STARTTLS"

    def _recipient(self, client: smtplib.SMTP) -> str:
        recipient = str(self._probe.recipient)
        code, text = client.mail("")
        if code != 250:
            raise _Failed(_reply(code, text), "the server takes no mail now: xtramail doctor says why")
        # RFC 3461 §4.1: when it fails nobody is told but who waits here.
        code, text = client.rcpt(recipient, ("NOTIFY=NEVER",) if client.has_extn("dsn") else ())
        if code in (250, 251):
            return f"{recipient}: {_reply(code, text)}"
        if code < 500:
            remedy = f"the primary was asked for it and gave no answer: xtramail outage status {self._probe.domain}"
        else:
            remedy = f"name one that exists: xtramail domain test {self._probe.domain} --to ADDRESS"
        raise _Failed(f"{recipient}: {_reply(code, text)}", remedy)

    def _message(self, client: smtplib.SMTP) -> str:
        probe = self._probe
        octets = note(
            Note(
                sender_address=f"postmaster@{probe.hostname}",
                to=str(probe.recipient),
                subject=f"[xtramail] test of the way to {probe.domain}",
                text=(
                    f"xtramail on {probe.hostname} sent this to see that mail for {probe.domain} comes through.\n"
                    "Nothing needs to be done; it may be deleted."
                ),
                date=format_date(time.time()),
                message_id=self._message_id,
            )
        )
        code, text = client.data(octets)
        if code != 250:
            raise _Failed(_reply(code, text), "the server did not take it: xtramail doctor, and its log")
        try:
            self.id = id_from_text(text.decode("ascii", "replace").split()[-1])
        except (ValueError, IndexError):
            raise _Failed(
                f"{self._place} took it, but is not this server: {_reply(code, text)}",
                "something else listens there: see [listen] smtp in the settings",
            ) from None
        return f"taken as {id_text(self.id)}"

    def _follow(self) -> Iterator[Step]:
        """Until the primary has it; _Failed when it does not come to that in time."""
        said = ""
        while True:
            found = self._engine.read(keys.QUEUE, self._look)
            row, entry = found.row, found.entry
            if row is not None and row.fate == Fate.DELIVERED:
                yield self._good("primary", f"took it: {row.reply or 'no reply is known'}")
                return
            if row is not None and row.fate in (Fate.BOUNCED, Fate.SUPPRESSED):
                raise _Failed(f"{row.fate}: {row.reply}", self._refused)
            if entry is not None and entry.held:
                raise _Failed(
                    f"held: {entry.hold_reason}; {entry.last_reply}",
                    f"mend that, then let it go: xtramail queue release {id_text(entry.id)}",
                )
            late = self._seconds > self._probe.wait
            if entry is not None and entry.last_reply not in ("", said) and not late:
                said = entry.last_reply
                yield Step(what="primary", good=False, text=f"put off: {said}", seconds=self._seconds, waits=True)
            if late:
                raise self._late(entry)
            time.sleep(LOOK_SECONDS)

    @property
    def _refused(self) -> str:
        domain = self._probe.domain
        return f"the primary does not want it: name another recipient with --to, or see: xtramail domain guide {domain}"

    def _late(self, entry: QueueEntry | None) -> _Failed:
        domain, ours = self._probe.domain, id_text(self.id)
        closed = self._engine.read(keys.QUEUE, partial(outbound.destination_closed, name=domain))
        if closed is not None:
            return _Failed(
                f"waits: the primary is {closed.state}: {closed.reason}",
                f"when it is back the message goes by itself; see: xtramail outage status {domain}",
            )
        if entry is not None and entry.last_reply:
            return _Failed(
                f"not taken within {self._probe.wait:g} s: {entry.last_reply}",
                f"the primary must trust us: xtramail domain guide {domain}; it is tried again: xtramail trace {ours}",
            )
        return _Failed(
            f"not taken within {self._probe.wait:g} s",
            f"it is still being tried: xtramail trace {ours}; wait longer with --wait",
        )

    def _look(self, snap: Snapshot) -> _Standing:
        rows = [row for bucket in snap.buckets() for row in outbound.ledger_of(snap, bucket, self.id).values()]
        # Not the whole queue of an outage: what came before this cannot be it.
        place = outbound.place_from(self._probe.domain, id_seconds(self.id) - _SLACK)
        found = (outbound.entry(snap, one) for _, one in outbound.arrivals(snap, self._probe.domain, after=place))
        waiting = next((one for one in found if one is not None and one.message_id == self.id), None)
        return _Standing(rows[0] if rows else None, waiting)

    def _mailbox(self, access: ImapAccess) -> str:
        """Where the primary's IMAP shows it."""
        address, until = str(self._probe.recipient), time.monotonic() + self._probe.wait
        visit = Visit(access, address, connect=CONNECT_SECONDS, answer=REPLY_SECONDS)
        try:
            visit.open()
            while self._message_id not in visit.found([self._message_id]):
                if time.monotonic() > until:
                    raise _Failed(
                        f"{access}: the primary took it, and {address} does not have it",
                        "look into its junk and quarantine, and into the primary's own trace",
                    )
                time.sleep(VISIT_SECONDS)
        except VisitFailed as failed:
            remedy = "name a recipient with a mailbox of its own (--to); or see primary-imap in: domain set --help"
            raise _Failed(failed.text, remedy) from None
        finally:
            visit.close()
        return f"{address} has it, says {access}"


def _reply(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}".replace("\n", " ")
