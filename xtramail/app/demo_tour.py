"""The tour: what happens to mail while the primary is away, shown on a running demonstration in under a minute.

Plays the sender, the two users and the administrator through the ports that everybody uses, and reads the counts from
the ledger and from the primary's own notes. Owns the order of the steps; says each through ``tell``.
"""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage

from xtramail.app.demo_folder import ANN, BEN, DemoFolder
from xtramail.app.demo_server import HOST, Ports, answers, letter
from xtramail.model.errors import BadInput
from xtramail.model.outcome import OPEN_FATES, Fate
from xtramail.store import keys, outbound
from xtramail.store.engine import Engine
from xtramail.store.ledger import Balance

MESSAGES = 5
WAIT_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Counts:
    """The ledger in the three words of the tour; ``other`` are bounced and suppressed."""

    accepted: int
    delivered: int
    held: int
    other: int

    @classmethod
    def of(cls, balance: Balance) -> Counts:
        held = sum(balance.fates[fate] for fate in OPEN_FATES)
        delivered = balance.fates[Fate.DELIVERED]
        other = sum(balance.fates.values()) - held - delivered
        return cls(accepted=balance.accepted, delivered=delivered, held=held, other=other)

    @property
    def holds(self) -> bool:
        return self.accepted == self.delivered + self.held + self.other

    def __str__(self) -> str:
        rest = f" + {self.other} bounced" if self.other else ""
        return f"{self.accepted} accepted = {self.delivered} delivered + {self.held} held{rest}"


@dataclass(frozen=True, slots=True)
class Result:
    """``seen`` of ``sent`` messages reached the primary after it came back, none of them twice."""

    sent: int
    seen: int
    twice: int
    seconds: float
    counts: Counts


class Tour:
    def __init__(self, place: DemoFolder, ports: Ports, engine: Engine, tell: Callable[[str], None]) -> None:
        """``tell`` gets one line a step."""
        self._place = place
        self._ports = ports
        self._engine = engine
        self._tell = tell
        self._logins = place.logins()
        self._step = 0

    def walk(self) -> Result:
        """All steps. BadInput when the demonstration does not run, or something does not come true in time."""
        if not all(answers(port) for port in self._ports.all):
            raise BadInput(f"the demonstration does not run; start it: xtramail demo run {self._place.directory}")
        began = time.monotonic()
        # Whatever was waiting before is none of the tour's business.
        self._place.bring_up()
        self._until(lambda: answers(self._place.primary_port), "the primary is up")
        self._until(lambda: self._counts().held == 0, "nothing waits from before")
        before = len(self._place.received())
        try:
            return self._outage(began, before)
        finally:
            self._place.bring_up()

    def _outage(self, began: float, before: int) -> Result:
        self._place.take_down()
        self._until(lambda: not answers(self._place.primary_port), "the primary is down")
        self._say("The customer's mail server is taken down.", f"connections to port {self._place.primary_port} fail")
        ids = self._send()
        self._say(
            f"{len(ids)} messages arrive from the world all the same.",
            f"{len(ids)} accepted (250), {self._counts().held} held for the primary",
        )
        read = self._read(ANN, ids)
        self._say("Ann reads them over IMAP while her server is away.", f"{len(read)} of {len(ids)} in her inbox")
        reply = self._reply(read[0])
        ids.append(reply)
        found = self._read(BEN, [reply])
        self._say("She answers one, to the sender and to Ben.", f"Ben has it already: {found[0]['Subject']}")
        self._say("The ledger knows where everything is.", str(self._counts()))
        self._place.bring_up()
        self._until(lambda: self._counts().held == 0, "everything was handed to the primary")
        self._say("The server comes back, and xtramail hands everything over by itself.", str(self._counts()))
        arrived = [taken.message_id for taken in self._place.received()[before:]]
        # The answer went three ways: to its sender's world, to Ben, and as a sent copy to Ann's own mailbox there.
        twice = sum(max(arrived.count(one) - (3 if one == reply else 1), 0) for one in ids)
        seen = sum(one in arrived for one in ids)
        self._say("It has each message once.", f"{seen} of {len(ids)} arrived, {twice} twice")
        return Result(
            sent=len(ids), seen=seen, twice=twice, seconds=time.monotonic() - began, counts=self._counts()
        )

    def _say(self, what: str, count: str) -> None:
        self._step += 1
        self._tell(f"{self._step}. {what}\n   {count}")

    def _counts(self) -> Counts:
        return Counts.of(self._engine.read(keys.QUEUE, outbound.balance))

    def _send(self) -> list[str]:
        ids = []
        with smtplib.SMTP(HOST, self._ports.smtp, local_hostname="sender.example", timeout=30) as client:
            for number in range(1, MESSAGES + 1):
                subject = f"Question {number} while your server is away"
                message = letter("Carla Rossi <carla@supplier.example>", ANN, subject, "Can you confirm?\n")
                client.send_message(message)
                ids.append(str(message["Message-ID"]))
        return ids

    def _read(self, user: str, ids: list[str]) -> list[EmailMessage]:
        """Those of ``ids`` that are in the inbox of ``user``, in that order."""
        with self._inbox(user) as client:
            found = []
            for one in ids:
                _, numbers = client.search(None, "HEADER", "Message-ID", f'"{one}"')
                for number in numbers[0].split():
                    _, pieces = client.fetch(number, "(BODY[])")
                    found += [message_from_bytes(p[1], policy=policy.default) for p in pieces if isinstance(p, tuple)]
        if not found:
            raise BadInput(f"the tour's message is not in the inbox of {user}; see: xtramail trace {user}")
        return found

    @contextlib.contextmanager
    def _inbox(self, user: str) -> Iterator[imaplib.IMAP4_SSL]:
        client = imaplib.IMAP4_SSL("localhost", self._ports.imaps, ssl_context=self._tls(), timeout=30)
        try:
            client.login(user, self._logins[user])
            client.select("INBOX")
            yield client
        finally:
            client.logout()

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._place.authority))

    def _reply(self, question: EmailMessage) -> str:
        reply = letter(f"Ann <{ANN}>", f"{question['From']}, {BEN}", f"Re: {question['Subject']}", "Confirmed.\n")
        reply["In-Reply-To"] = str(question["Message-ID"])
        reply["References"] = str(question["Message-ID"])
        with smtplib.SMTP_SSL("localhost", self._ports.submissions, timeout=30, context=self._tls()) as client:
            client.login(ANN, self._logins[ANN])
            client.send_message(reply)
        return str(reply["Message-ID"])

    def _until(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not look():
            if time.monotonic() > deadline:
                raise BadInput(f"not in {WAIT_SECONDS:.0f} s: {what}; see: xtramail queue list")
            time.sleep(0.1)
