"""People with a mailbox on a server that lives fast: they write, read, file, delete, fetch and wait for mail, all day.

Each kind of them is a thread. Owns what they do, and what they know of it: ``Books``.
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import poplib
import random
import re
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.journeys.dialogue import Line
from tests.journeys.fast_clock import FastClock
from tests.journeys.harness import Installation

HOUR = 3_600.0
WORLD = "zoe@world.test"
MAILBOXES = ("INBOX", "Archive")
TOP = "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
"""What has the Message-ID."""
TROUBLE = (OSError, EOFError, AssertionError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto)
_ID = re.compile(rb"message-id: <([^>]*)>", re.IGNORECASE)
_UID = re.compile(rb"UID (\d+)")


@dataclass(slots=True)
class Books:
    """What people know: which messages were acknowledged (their recipients, and between which two moments the server
    took them: seconds of a busy machine are hours here), and what they deleted."""

    accepted: dict[str, tuple[tuple[str, ...], float, float]] = field(default_factory=dict)
    came: list[tuple[float, int]] = field(default_factory=list)
    """Of each of them the day, counted from the first one, and octets."""
    deleted: set[tuple[str, str]] = field(default_factory=set)
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By message and recipient: how often a primary was given it."""
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class People:
    """``start`` them, and ``stop`` them when their days are over."""

    def __init__(
        self, server: Installation, clock: FastClock, books: Books, addresses: tuple[str, ...], *, mail_minutes: float
    ) -> None:
        self._server = server
        self._clock = clock
        self._books = books
        self._addresses = addresses
        self._mail_minutes = mail_minutes
        self.over = threading.Event()
        """Their days are."""
        self._number = 0
        self._threads: list[threading.Thread] = []
        self.lives = 0
        """Of the server; odd while it does not run."""

    def start(self, *others: Callable[[random.Random], None]) -> None:
        """``others``: what else is done again and again."""
        works = [self._post, self._submit, self._use, self._fetch, *others]
        self._threads = [threading.Thread(target=self._keeping_on, args=(work,), daemon=True) for work in works]
        self._threads += [threading.Thread(target=self._idle, args=(one,), daemon=True) for one in self._addresses]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(90)
        assert not any(thread.is_alive() for thread in self._threads), "people hang"

    def pause(self, seconds: float) -> bool:
        """So long, by the server's clock; whether their days are over."""
        return self.over.wait(self._clock.real(seconds))

    def mail_of(self, person: str) -> set[str]:
        """Which messages he has."""
        found = set()
        with self._server.imap(person) as client:
            for mailbox in MAILBOXES:
                client.select(mailbox, readonly=True)
                _, pieces = client.uid("FETCH", "1:*", TOP)
                found |= {id_of(piece[1]) for piece in pieces if isinstance(piece, tuple)}
        return found

    def _keeping_on(self, work: Callable[[random.Random], None]) -> None:
        """Again and again; what fails while the server does not run may fail."""
        chance = random.Random(work.__name__)
        while not self.over.is_set():
            lives = self.lives
            try:
                work(chance)
            except poplib.error_proto as gone:
                # Somebody else deleted it while this program was at it.
                if "no longer exists" not in str(gone):
                    self._wrong(lives, f"{work.__name__}: {gone}")
            except TROUBLE as trouble:
                self._wrong(lives, f"{work.__name__}: {type(trouble).__name__}: {trouble}")

    def _wrong(self, lives: int, what: str) -> None:
        if lives == self.lives and lives % 2 == 0 and not self.over.is_set():
            self._books.faults.append(f"day {self._clock.days():.2f}: {what}")
        time.sleep(0.1)

    def _message(self, chance: random.Random, sender: str, to: str) -> tuple[str, bytes]:
        self._number += 1
        name = f"{self._number}.{chance.randrange(1 << 30)}@soak"
        size = chance.choice((700, 700, 4_000, 4_000, 20_000, 90_000 if chance.random() < 0.2 else 2_000))
        head = f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {name}\r\nMessage-ID: <{name}>\r\n\r\n"
        # What does not compress, or the file would hardly know of it.
        return name, head.encode() + base64.encodebytes(chance.randbytes(size)).replace(b"\n", b"\r\n")

    def _accepted(self, name: str, to: tuple[str, ...], octets: bytes, *, since: float) -> None:
        self._books.accepted[name] = (to, since, self._clock.now())
        self._books.came.append((self._clock.days(), len(octets)))

    def _post(self, chance: random.Random) -> None:
        """The world writes to somebody, or to several of them."""
        with self._server.smtp() as client:
            while not self.over.is_set():
                to = tuple(chance.sample(self._addresses, k=chance.choice((1, 1, 1, 2, 3))))
                name, octets = self._message(chance, "bob@sender.example", to[0])
                began = self._clock.now()
                assert not client.sendmail("bob@sender.example", to, octets)
                self._accepted(name, to, octets, since=began)
                self._books.done["mail in"] += 1
                self.pause(self._mail_minutes * 60)

    def _submit(self, chance: random.Random) -> None:
        """Somebody writes to the world."""
        person = chance.choice(self._addresses)
        name, octets = self._message(chance, person, WORLD)
        with self._server.submissions(person) as client:
            began = self._clock.now()
            client.sendmail(person, WORLD, octets)
            self._accepted(name, (WORLD,), octets, since=began)
        self._books.done["submitted"] += 1
        self.pause(2 * HOUR)

    def _use(self, chance: random.Random) -> None:
        """Somebody reads, flags, searches, files, drafts and deletes."""
        person = chance.choice(self._addresses)
        with self._server.imap(person) as client:
            client.select("INBOX")
            _, lines = client.uid("FETCH", "1:*", "(FLAGS)")
            uids = [found.group(1).decode() for line in lines if line and (found := _UID.search(line))]
            if uids:
                client.uid("FETCH", f"{uids[-min(len(uids), 40)]}:*", "(FLAGS ENVELOPE BODYSTRUCTURE)")
                client.uid("FETCH", uids[-1], "(BODY[])")
                client.uid("STORE", ",".join(chance.sample(uids, k=min(len(uids), 5))), "+FLAGS", "(\\Seen)")
                # It may be told NO: a search has thirty seconds of the server's time.
                client.uid("SEARCH", "SUBJECT", "7")
                client.uid("MOVE", chance.choice(uids), "Archive")
                self._delete(client, person, chance.sample(uids, k=min(len(uids), 4)))
            now = imaplib.Time2Internaldate(self._clock.now())
            client.append("Drafts", "(\\Draft)", now, b"Subject: soon\r\n\r\n.")
        self._books.done["visits"] += 1
        self.pause(HOUR)

    def _delete(self, client: imaplib.IMAP4, person: str, uids: list[str]) -> None:
        wanted = ",".join(uids)
        _, pieces = client.uid("FETCH", wanted, TOP)
        # Written down before: an answer that never comes may have deleted all the same.
        self._books.deleted |= {(person, id_of(piece[1])) for piece in pieces if isinstance(piece, tuple)}
        client.uid("STORE", wanted, "+FLAGS", "(\\Deleted)")
        client.uid("EXPUNGE", wanted)
        self._books.done["deleted"] += len(uids)

    def _fetch(self, chance: random.Random) -> None:
        """An old program fetches by POP3, and deletes the oldest."""
        person = chance.choice(self._addresses)
        client = poplib.POP3_SSL("localhost", self._server.ports["pop3s"], context=self._server.tls(), timeout=60)
        with contextlib.closing(client):
            client.user(person)
            client.pass_(self._server.users[person])
            count, _ = client.stat()
            client.uidl()
            for number in range(max(count - 2, 1), count + 1):
                client.retr(number)
            if count:
                self._books.deleted.add((person, id_of(b"\r\n".join(client.top(1, 0)[1]))))
                client.dele(1)
            client.quit()
        self._books.done["fetched"] += 1
        self.pause(4 * HOUR)

    def _idle(self, person: str) -> None:
        """A phone: waits in IDLE, and looks at what it is told."""
        while not self.over.is_set():
            lives = self.lives
            try:
                with Line(self._server.ports["imaps"], tls=self._server.tls(), patience=60.0) as phone:
                    phone.hear()
                    phone.command("a1", f'LOGIN {person} "{self._server.users[person]}"')
                    phone.command("a2", "SELECT INBOX")
                    for told in self._told_while_idle(phone):
                        self._books.done[told] += 1
            except TROUBLE as trouble:
                self._wrong(lives, f"{person} idles: {type(trouble).__name__}: {trouble}")

    def _told_while_idle(self, phone: Line) -> Iterator[str]:
        while not self.over.is_set():
            phone.say("b IDLE")
            until = time.monotonic() + self._clock.real(25 * 60)
            while (left := until - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    word = phone.hear(within=left).rpartition(" ")[2]
                    assert word, "hung up"
                    if word in ("EXISTS", "EXPUNGE"):
                        yield f"idle told of {word}"
            phone.say("DONE")
            phone.hear_until("b OK", within=60.0)


def id_of(octets: bytes) -> str:
    found = _ID.search(octets)
    return found.group(1).decode() if found else ""
