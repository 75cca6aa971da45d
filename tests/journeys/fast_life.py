"""Weeks in the life of a server's process, on a fast clock: what goes wrong in them, and what is left.

``busy_people`` are in it, and a primary that is away now and then. What has to be true at the end is asked by
``Life.promises`` and ``Life.growth``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.journeys.busy_people import HOUR, Books, People, id_of
from tests.journeys.fast_clock import DAY, FastClock
from tests.journeys.harness import Installation, eventually
from tests.journeys.scripted_primary import Received, ScriptedPrimary

DAY_ZERO = 1_577_836_800.0
"""2020-01-01, from which days are counted."""
FIRST_DOMAIN_CLASS = 16
HANDED_ON, LOCAL = "handed.test", "local.test"
PEOPLE = (f"ann@{HANDED_ON}", f"ben@{HANDED_ON}", f"lea@{LOCAL}", f"max@{LOCAL}")
_CLIENT_TIMEOUTS = ("handshake", "smtp-command", "submission-login", "imap-login", "imap-idle", "pop3-login",
                    "pop3-idle", "rate-grace")
_HOST_TIMEOUTS = ("connect", "greeting", "command", "data", "block", "final")


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
class Kept:
    """What somebody had in his mailboxes, looked at between two moments."""

    names: frozenset[str]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What must not grow, and when that was, in days."""

    day: float
    file: int
    memory: int
    """Octets of its own, without the pages of the store that it looked at."""
    descriptors: int
    threads: int


class Postbox(ScriptedPrimary):
    """A primary that remembers which messages came, not their octets."""

    def __init__(self, books: Books) -> None:
        super().__init__()
        self._books = books

    def take(self, message: Received) -> None:
        for recipient in message.recipients:
            self._books.taken[(id_of(message.octets), recipient)] += 1


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
        self._kept: dict[str, Kept] = {}

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
        self._people = People(self.server, self.clock, self.books, PEOPLE, mail_minutes=self.plan.mail_minutes)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._people.over.set()
        try:
            self.server.close()
        finally:
            self._primary.__exit__()

    def run(self) -> None:
        """Live all its days, then let the queue come to its end."""
        self._people.start(self._outages)
        moments = [(day, self._stop) for day in self.plan.stops] + [(day, self._kill) for day in self.plan.kills]
        moments.sort(key=lambda moment: moment[0])
        while self.clock.days() < self.plan.days:
            if moments and self.clock.days() > moments[0][0]:
                moments.pop(0)[1]()
            self._sample()
            self._people.pause(3 * HOUR)
        self._people.stop()
        for person in PEOPLE:
            began = self.clock.now()
            self._kept[person] = Kept(frozenset(self._people.mail_of(person)), began, self.clock.now())
        self._primary.accept()
        eventually(lambda: not self.server.queue(), within=60, what="the queue comes to its end")

    # What is true at the end.

    def promises(self, *, hours_late: float) -> dict[str, float]:
        """AssertionError for mail that is lost, stays too long or goes too early; what was found out."""
        books, server, plan = self.books, self.server, self.plan
        assert not books.faults, books.faults[:10]
        assert server.balance()
        for name, (recipients, at, _) in books.accepted.items():
            for person in recipients:
                if (person, name) in books.deleted:
                    continue
                assert person.endswith(f"@{LOCAL}") or books.taken[(name, person)], f"{name}: {person} never got it"
                kept = self._kept.get(person)
                # Mail lives its days and the rest of its first one.
                if kept is not None and at > kept.ended - (plan.retention - 0.1) * DAY:
                    assert name in kept.names, f"{name} of {person} is gone after {(kept.ended - at) / DAY:.1f} days"
        for person, kept in self._kept.items():
            first = _days(kept.began - hours_late * HOUR) - plan.retention
            assert all(_days(books.accepted[name][2]) >= first for name in kept.names & books.accepted.keys()), person
        twice = sum(count - 1 for count in books.taken.values())
        assert twice == 0 or plan.stops or plan.kills, f"{twice} handed on twice"
        assert not server.log("expiry-paused")
        late = self.lateness()
        assert max(late) < hours_late, f"expiry {max(late):.2f} hours late"
        ended = {line["retention_class"] for line in server.log("bucket-dropped")}
        assert len({one for one in ended if one >= FIRST_DOMAIN_CLASS}) == 2, ended
        assert len(late) >= 2 * (int(plan.days) - plan.retention - 1), "days did not expire"
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
            assert at >= due, f"a day went before it was over: {line}"
            for stopped, up in self.down:
                if stopped - HOUR <= due <= up:
                    due = min(up, at)
            found.append((at - due) / HOUR)
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

    def room(self) -> tuple[float, float]:
        """Octets of the store's file at the end; and how many it would have for the most mail that had to be there at
        once, were it as much for each octet as it was before the first day expired."""
        began = max((one for one in self.samples if one.day < self.plan.retention + 1), key=lambda one: one.day)
        each = began.file / sum(octets for day, octets in self.books.came if day <= began.day)
        # A day's rows go a quarter of an hour after it, and what is written over them comes later.
        days = self.plan.retention + 1.5
        most = max(
            sum(octets for day, octets in self.books.came if last - days < day <= last)
            for last, _ in self.books.came
        )
        return self.samples[-1].file, each * most

    # The server.

    def _start(self) -> None:
        self.server.environment = self.clock.environment()
        self.server.start()

    def _stop(self) -> None:
        self._again(lambda: self.server.stop())

    def _kill(self) -> None:
        self._again(self.server.kill)

    def _again(self, end: Callable[[], object]) -> None:
        self._people.lives += 1
        stopped = self.clock.now()
        end()
        self._start()
        self.down.append((stopped, self.clock.now()))
        self._people.lives += 1

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

    def _outages(self, _chance: random.Random) -> None:
        """The primary is away now and then."""
        if self._people.pause(self.plan.outage_every):
            return
        self._primary.refuse()
        self._people.pause(self.plan.outage)
        self._primary.accept()
        self.books.done["outages"] += 1


def _days(seconds: float) -> int:
    return int((seconds - DAY_ZERO) // DAY)
