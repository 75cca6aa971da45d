"""Weeks in the life of a server's process, on a fast clock: what comes in, who reads it, what goes wrong, what is left.

People and primaries are threads of this process, which do their part at the server's hours. Owns what happens and
what was measured; what has to be true of it is asked by ``Life.promises`` and ``Life.growth``.
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import os
import poplib
import random
import re
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.journeys.dialogue import Line
from tests.journeys.fast_clock import DAY, FastClock
from tests.journeys.harness import Installation, eventually
from tests.journeys.scripted_primary import Received, ScriptedPrimary

HOUR = 3_600.0
DAY_ZERO = 1_577_836_800.0
"""2020-01-01, from which days are counted."""
FIRST_DOMAIN_CLASS = 16
HANDED_ON, LOCAL = "handed.test", "local.test"
PEOPLE = (f"ann@{HANDED_ON}", f"ben@{HANDED_ON}", f"lea@{LOCAL}", f"max@{LOCAL}")
WORLD = "zoe@world.test"
MAILBOXES = ("INBOX", "Archive")
_ID = re.compile(rb"message-id: <([^>]*)>", re.IGNORECASE)
_UID = re.compile(rb"UID (\d+)")
_CLIENT_TIMEOUTS = ("handshake", "smtp-command", "submission-login", "imap-login", "imap-idle", "pop3-login",
                    "pop3-idle", "rate-grace")
_HOST_TIMEOUTS = ("connect", "greeting", "command", "data", "block", "final")
TROUBLE = (OSError, EOFError, AssertionError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto)


@dataclass(frozen=True, slots=True)
class Plan:
    """``factor`` times as fast, for so many days; hours and days are the server's."""

    factor: int
    days: float
    retention: int
    hold: int
    """Days that mail waits for its primary; the log is kept for one more."""
    mail_minutes: float = 5.0
    """Between two messages from the world."""
    outage_every: float = 3.3 * DAY
    outage: float = 6 * HOUR
    stops: tuple[float, ...] = ()
    """Days on which the server is stopped and started."""
    kills: tuple[float, ...] = ()
    """Days on which it dies."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What must not grow, and when that was, in days."""

    day: float
    file: int
    memory: int
    """Octets of its own, without the pages of the store that it looked at."""
    descriptors: int
    threads: int


@dataclass(slots=True)
class Books:
    """What people know: which messages were acknowledged (their recipients, and the day), and what they deleted."""

    accepted: dict[str, tuple[tuple[str, ...], float]] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By message and recipient: how often a primary was given it."""
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Postbox(ScriptedPrimary):
    """A primary that remembers which messages came, not their octets."""

    def __init__(self, books: Books) -> None:
        super().__init__()
        self._books = books

    def take(self, message: Received) -> None:
        for recipient in message.recipients:
            self._books.taken[(_id_of(message.octets), recipient)] += 1


class Life:
    """``with Life(folder, plan) as life: life.run()``."""

    def __init__(self, folder: Path, plan: Plan, *, told: Callable[[str], None] = lambda line: None) -> None:
        """``told`` is given a line each day."""
        self.plan = plan
        self.books = Books()
        self.samples: list[Sample] = []
        self.down: list[tuple[float, float]] = []
        """From when to when the server did not run."""
        self._told = told
        self._folder = folder
        self._primary = Postbox(self.books)
        self._over = threading.Event()
        self._lives = 0
        self._number = 0

    def __enter__(self) -> Life:
        self._primary.__enter__()
        keep = f"{self.plan.retention}"
        patience = [f'timeouts.{name}="30d"' for name in _CLIENT_TIMEOUTS]
        patience += [f'relay.{name}-timeout="1d"' for name in _HOST_TIMEOUTS]
        self.server = Installation(
            self._folder / "server",
            settings=(
                *patience,
                'certificates.check="1h"',
                'login.wait="1d"',
                'relay.retry=["5m", "15m", "30m"]',
                f'relay.smarthost="{self._primary.host}"',
                f"relay.hold-days={self.plan.hold}",
                f"retention.log-days={self.plan.hold + 1}",
            ),
        ).init()
        self.server.add_domain(
            HANDED_ON, "--primary", self._primary.host, "--recipients", "listed", "--retention-days", keep
        )
        self.server.add_domain(LOCAL, "--retention-days", keep)
        self.server.command("domain", "set", HANDED_ON, "probe-busy=5m", "probe-idle=10m")
        for person in PEOPLE:
            self.server.add_user(person)
        self.clock = FastClock(self._folder / "clock", self.plan.factor)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        try:
            self.server.close()
        finally:
            self._primary.__exit__()

    def run(self) -> None:
        """Live all its days, then let the queue come to its end."""
        works = [self._post, self._submit, self._use, self._fetch, self._outages]
        threads = [threading.Thread(target=self._keeping_on, args=(work,), daemon=True) for work in works]
        threads += [threading.Thread(target=self._idle, args=(person,), daemon=True) for person in PEOPLE]
        for thread in threads:
            thread.start()
        moments = [(day, self._stop) for day in self.plan.stops] + [(day, self._kill) for day in self.plan.kills]
        moments.sort(key=lambda moment: moment[0])
        while self.clock.days() < self.plan.days:
            if moments and self.clock.days() > moments[0][0]:
                moments.pop(0)[1]()
            self._sample()
            self._pause(3 * HOUR)
        self._over.set()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads), "people hang"
        self._primary.accept()
        eventually(lambda: not self.server.queue(), within=60, what="the queue comes to its end")

    # What is true at the end.

    def promises(self, *, hours_late: float) -> dict[str, float]:
        """AssertionError for mail that is lost, stays too long or goes too early; what was found out."""
        books, server, plan = self.books, self.server, self.plan
        assert not books.faults, books.faults[:10]
        assert server.balance()
        today = self.clock.now()
        kept = {person: self._mail_of(person) for person in PEOPLE}
        for name, (recipients, at) in books.accepted.items():
            for person in recipients:
                if person.endswith(f"@{LOCAL}") or (person, name) in books.deleted:
                    continue
                assert books.taken[(name, person)], f"{name} for {person} was never handed on"
            for person in recipients:
                if person in kept and (person, name) not in books.deleted and at > today - (plan.retention - 0.5) * DAY:
                    assert name in kept[person], f"{name} of {person} is gone, {(today - at) / DAY:.1f} days old"
        for person, names in kept.items():
            old = {name for name in names if name in books.accepted}
            oldest = min((books.accepted[name][1] for name in old), default=today)
            assert _days(oldest) >= _days(today - hours_late * HOUR) - plan.retention, f"{person} has old mail"
        twice = sum(count - 1 for count in books.taken.values())
        assert twice == 0 or plan.stops or plan.kills, f"{twice} handed on twice"
        assert not server.log("expiry-paused")
        late = self.lateness()
        assert max(late) < hours_late, f"expiry {max(late):.2f} hours late"
        ended = {line["retention_class"] for line in server.log("bucket-dropped")}
        assert len({one for one in ended if one >= FIRST_DOMAIN_CLASS}) == 2, ended
        assert len(late) >= 2 * (int(self.clock.days()) - plan.retention - 1), "days did not expire"
        verified = server.command("verify", environment=self.clock.stopped())
        assert verified["findings"] == [], verified["findings"]
        return {"accepted": len(books.accepted), "handed on twice": twice, "hours late at most": max(late),
                "days expired": len(late), **books.done}

    def lateness(self) -> list[float]:
        """Of each day of a domain's mail that went: hours since it was over, and the server ran."""
        found = []
        for line in self.server.log("bucket-dropped"):
            if line["retention_class"] < FIRST_DOMAIN_CLASS:
                continue
            at = datetime.fromisoformat(line["time"]).timestamp()
            due = DAY_ZERO + (line["day"] + self.plan.retention + 1) * DAY
            for stopped, up in self.down:
                if stopped - HOUR <= due <= up:
                    due = up
            found.append((at - due) / HOUR)
        assert min(found, default=1.0) >= 0, "a day went before it was over"
        return found

    def growth(self) -> dict[str, tuple[float, float]]:
        """Of each measured thing: what it was when the first days had expired, and what it was at the end."""
        begin, window = self.plan.retention + 2.0, (self.plan.days - self.plan.retention - 2.0) / 3
        early = [one for one in self.samples if begin <= one.day < begin + window]
        late = [one for one in self.samples if one.day >= self.plan.days - window]
        named: dict[str, Callable[[Sample], float]] = {
            "file": lambda one: one.file,
            "memory": lambda one: one.memory,
            "descriptors": lambda one: one.descriptors,
            "threads": lambda one: one.threads,
        }
        return {name: (median(map(of, early)), median(map(of, late))) for name, of in named.items()}

    # The server.

    def _start(self) -> None:
        self.server.environment = self.clock.environment()
        self.server.start()

    def _stop(self) -> None:
        self._again(lambda: self.server.stop())

    def _kill(self) -> None:
        self._again(self.server.kill)

    def _again(self, end: Callable[[], object]) -> None:
        self._lives += 1
        stopped = self.clock.now()
        end()
        self._start()
        self.down.append((stopped, self.clock.now()))
        self._lives += 1

    def _sample(self) -> None:
        proc = Path(f"/proc/{self.server.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        one = Sample(
            day=self.clock.days(),
            file=sum(file.stat().st_size for file in self.server.folder.rglob("data.mdb")),
            memory=int(status["RssAnon"].split()[0]) * 1024,
            descriptors=len(os.listdir(proc / "fd")),
            threads=int(status["Threads"]),
        )
        if not self.samples or int(one.day) > int(self.samples[-1].day):
            self._told(
                f"day {one.day:.1f}: file {one.file / 1e6:.1f} MB, memory "
                f"{one.memory / 1e6:.1f} MB, {one.descriptors} descriptors, {one.threads} threads; "
                f"{len(self.books.accepted)} accepted, {dict(self.books.done)}, faults {self.books.faults[:3]}"
            )
        self.samples.append(one)

    # People.

    def _pause(self, seconds: float) -> None:
        self._over.wait(self.clock.real(seconds))

    def _keeping_on(self, work: Callable[[random.Random], None]) -> None:
        """Again and again; what fails while the server does not run may fail."""
        chance = random.Random(work.__name__)
        while not self._over.is_set():
            lives = self._lives
            try:
                work(chance)
            except poplib.error_proto as gone:
                # Somebody else deleted it while this program was at it.
                if "no longer exists" not in str(gone):
                    self._wrong(lives, f"{work.__name__}: {gone}")
            except TROUBLE as trouble:
                self._wrong(lives, f"{work.__name__}: {type(trouble).__name__}: {trouble}")

    def _wrong(self, lives: int, what: str) -> None:
        if lives == self._lives and lives % 2 == 0 and not self._over.is_set():
            self.books.faults.append(f"day {self.clock.days():.2f}: {what}")
        time.sleep(0.1)

    def _message(self, chance: random.Random, sender: str, to: str) -> tuple[str, bytes]:
        self._number += 1
        name = f"{self._number}.{chance.randrange(1 << 30)}@soak"
        size = chance.choice((700, 700, 4_000, 4_000, 20_000, 90_000 if chance.random() < 0.2 else 2_000))
        head = f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: {name}\r\nMessage-ID: <{name}>\r\n\r\n"
        # What does not compress, or the file would hardly know of it.
        return name, head.encode() + base64.encodebytes(chance.randbytes(size)).replace(b"\n", b"\r\n")

    def _post(self, chance: random.Random) -> None:
        """The world writes to somebody, or to several of them."""
        with self.server.smtp() as client:
            while not self._over.is_set():
                to = tuple(chance.sample(PEOPLE, k=chance.choice((1, 1, 1, 2, 3))))
                name, octets = self._message(chance, "bob@sender.example", to[0])
                assert not client.sendmail("bob@sender.example", to, octets)
                self.books.accepted[name] = (to, self.clock.now())
                self.books.done["mail in"] += 1
                self._pause(self.plan.mail_minutes * 60)

    def _submit(self, chance: random.Random) -> None:
        """Somebody writes to the world."""
        person = chance.choice(PEOPLE)
        name, octets = self._message(chance, person, WORLD)
        with self.server.submissions(person) as client:
            client.sendmail(person, WORLD, octets)
            self.books.accepted[name] = ((WORLD,), self.clock.now())
        self.books.done["submitted"] += 1
        self._pause(2 * HOUR)

    def _use(self, chance: random.Random) -> None:
        """Somebody reads, flags, searches, files, drafts and deletes."""
        person = chance.choice(PEOPLE)
        with self.server.imap(person) as client:
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
            client.append("Drafts", "(\\Draft)", imaplib.Time2Internaldate(self.clock.now()), b"Subject: soon\r\n\r\n.")
        self.books.done["visits"] += 1
        self._pause(HOUR)

    def _delete(self, client: imaplib.IMAP4, person: str, uids: list[str]) -> None:
        wanted = ",".join(uids)
        _, pieces = client.uid("FETCH", wanted, "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        # Written down before: an answer that never comes may have deleted all the same.
        self.books.deleted |= {(person, _id_of(piece[1])) for piece in pieces if isinstance(piece, tuple)}
        client.uid("STORE", wanted, "+FLAGS", "(\\Deleted)")
        client.uid("EXPUNGE", wanted)
        self.books.done["deleted"] += len(uids)

    def _fetch(self, chance: random.Random) -> None:
        """An old program fetches by POP3, and deletes the oldest."""
        person = chance.choice(PEOPLE)
        client = poplib.POP3_SSL("localhost", self.server.ports["pop3s"], context=self.server.tls(), timeout=60)
        with contextlib.closing(client):
            client.user(person)
            client.pass_(self.server.users[person])
            count, _ = client.stat()
            client.uidl()
            for number in range(max(count - 2, 1), count + 1):
                client.retr(number)
            if count:
                self.books.deleted.add((person, _id_of(b"\r\n".join(client.top(1, 0)[1]))))
                client.dele(1)
            client.quit()
        self.books.done["fetched"] += 1
        self._pause(4 * HOUR)

    def _idle(self, person: str) -> None:
        """A phone: waits in IDLE, and looks at what it is told."""
        while not self._over.is_set():
            lives = self._lives
            try:
                with Line(self.server.ports["imaps"], tls=self.server.tls(), patience=60.0) as phone:
                    phone.hear()
                    phone.command("a1", f'LOGIN {person} "{self.server.users[person]}"')
                    phone.command("a2", "SELECT INBOX")
                    for told in self._told_while_idle(phone):
                        self.books.done[told] += 1
            except TROUBLE as trouble:
                self._wrong(lives, f"{person} idles: {type(trouble).__name__}: {trouble}")

    def _told_while_idle(self, phone: Line) -> Iterator[str]:
        while not self._over.is_set():
            phone.say("b IDLE")
            until = time.monotonic() + self.clock.real(25 * 60)
            while (left := until - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    word = phone.hear(within=left).rpartition(" ")[2]
                    assert word, "hung up"
                    if word in ("EXISTS", "EXPUNGE"):
                        yield f"idle told of {word}"
            phone.say("DONE")
            phone.hear_until("b OK", within=60.0)

    def _outages(self, _chance: random.Random) -> None:
        """The primary is away now and then."""
        self._pause(self.plan.outage_every)
        if not self._over.is_set():
            self._primary.refuse()
            self._pause(self.plan.outage)
            self._primary.accept()
            self.books.done["outages"] += 1

    def _mail_of(self, person: str) -> set[str]:
        found = set()
        with self.server.imap(person) as client:
            for mailbox in MAILBOXES:
                client.select(mailbox, readonly=True)
                _, pieces = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
                found |= {_id_of(piece[1]) for piece in pieces if isinstance(piece, tuple)}
        return found


def _id_of(octets: bytes) -> str:
    found = _ID.search(octets)
    return found.group(1).decode() if found else ""


def _days(seconds: float) -> int:
    return int((seconds - DAY_ZERO) // DAY)
