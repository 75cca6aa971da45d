"""Clients that go away and come back with QRESYNC or CONDSTORE, against a model that knows nothing of the server.

Each keeps what it was told, by UID alone; whenever it has caught up, that equals the mailbox. Deliveries, flags,
expunges, moves and expiry happen at any time, whether it is connected or not.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.imap_world import MAIL, Client, World
from xtramail.model.sequence import SequenceSet

DAY = 86_400
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "kw1")
_FETCH = re.compile(r"\* (\d+) FETCH \(UID (\d+) FLAGS \(([^)]*)\) MODSEQ \(\d+\)\)$")


class Oracle:
    """What is in INBOX: UID to flags, and the day on which it came."""

    def __init__(self) -> None:
        self.flags: dict[int, frozenset[str]] = {}
        self.days: dict[int, int] = {}
        self.next_uid = 1


class Knowing:
    """A client's cache. ``modseq`` is the HIGHESTMODSEQ it may trust: told by SELECT or STATUS, all news taken in."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.flags: dict[int, frozenset[str]] = {}
        self.uidvalidity = self.modseq = 0
        self.client: Client | None = None

    def connect(self) -> None:
        self.client = self.world.client()
        self.client.say("ENABLE QRESYNC")
        if not self.modseq:
            answer = self.client.say("SELECT INBOX")
            self.hear(answer + self.client.say("UID FETCH 1:* (UID FLAGS MODSEQ)"))
        elif self.rng.random() < 0.5:
            answer = self.client.say(f"SELECT INBOX (QRESYNC ({self.uidvalidity} {self.modseq}{self.known()}))")
            self.hear(answer)
            self.learn_new()
        else:
            answer = self.client.say("SELECT INBOX (CONDSTORE)")
            self.hear(answer + self.client.say(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {self.modseq} VANISHED)"))
        found = re.search(r"UIDVALIDITY (\d+)[\s\S]*HIGHESTMODSEQ (\d+)", answer)
        assert found, answer
        self.uidvalidity, told = int(found[1]), int(found[2])
        assert told >= self.modseq > -1
        self.modseq = told

    def known(self) -> str:
        """With or without UIDs, with or without message numbers."""
        uids = sorted(self.flags)
        text = f" {bytes(SequenceSet.of_numbers(uids)).decode()}" if uids and self.rng.random() < 0.6 else ""
        if uids and self.rng.random() < 0.6:
            numbers = sorted(self.rng.sample(range(1, len(uids) + 1), self.rng.randint(1, len(uids))))
            pairs = SequenceSet.of_numbers(numbers), SequenceSet.of_numbers(uids[number - 1] for number in numbers)
            text += f" ({bytes(pairs[0]).decode()} {bytes(pairs[1]).decode()})"
        return text

    def learn_new(self) -> None:
        """QRESYNC tells of known UIDs only: what is beyond is fetched."""
        assert self.client is not None
        self.hear(self.client.say(f"UID FETCH {max(self.flags, default=0) + 1}:* (UID FLAGS MODSEQ)"))

    def hear(self, answer: str) -> None:
        assert "EXPUNGE" not in answer and " BAD " not in answer, answer
        for line in answer.replace("\r", "").split("\n"):
            if gone := re.match(r"\* VANISHED (?:\(EARLIER\) )?([\d:,]+)$", line):
                for piece in gone[1].split(","):
                    low, _, high = piece.partition(":")
                    for uid in range(int(low), int(high or low) + 1):
                        self.flags.pop(uid, None)
            elif told := _FETCH.match(line):
                self.flags[int(told[2])] = frozenset(told[3].split()) - {"\\Recent"}

    def catch_up(self) -> None:
        if self.client is None:
            self.connect()
        assert self.client is not None
        answer = self.client.say("NOOP")
        self.hear(answer)
        if "EXISTS" in answer:
            self.learn_new()

    def leave(self) -> None:
        """As a phone does: without a word, or after a last look."""
        if self.client is not None:
            if self.rng.random() < 0.5:
                self.catch_up()
                told = re.search(r"HIGHESTMODSEQ (\d+)", self.client.say("STATUS INBOX (HIGHESTMODSEQ)"))
                assert told and int(told[1]) >= self.modseq
                self.modseq = int(told[1])
            self.client.lose()
            self.client = None


class Play:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.oracle = Oracle()
        self.actor = self.world.client()
        self.actor.say("SELECT INBOX")
        self.others = [Knowing(self.world, self.rng) for _ in range(3)]
        self.dropped: set[int] = set()

    def step(self) -> None:
        self.world.clock.advance(self.rng.choice((0, 1, 3600, DAY // 2)))
        acts = [self.deliver, self.deliver, self.come_or_go, self.come_or_go, self.check]
        if self.oracle.flags:
            acts += [self.store, self.store, self.expunge, self.move_away, self.expire]
        self.rng.choice(acts)()

    def today(self) -> int:
        return int(self.world.clock.now() // DAY)

    def some(self) -> tuple[str, list[int]]:
        # UIDs that the actor was not told of yet would be passed over.
        self.actor.say("NOOP")
        uids = sorted(self.rng.sample(sorted(self.oracle.flags), self.rng.randint(1, min(4, len(self.oracle.flags)))))
        return bytes(SequenceSet.of_numbers(uids)).decode(), uids

    def deliver(self) -> None:
        for _ in range(self.rng.randint(1, 3)):
            uid = self.oracle.next_uid
            self.world.deliver(MAIL)
            self.oracle.next_uid += 1
            self.oracle.flags[uid], self.oracle.days[uid] = frozenset(), self.today()

    def store(self) -> None:
        text, uids = self.some()
        flag, add = self.rng.choice(FLAGS), self.rng.random() < 0.7
        self.actor.say(f"UID STORE {text} {'+' if add else '-'}FLAGS.SILENT ({flag})")
        for uid in uids:
            self.oracle.flags[uid] = self.oracle.flags[uid] | {flag} if add else self.oracle.flags[uid] - {flag}

    def expunge(self) -> None:
        text, uids = self.some()
        self.actor.say(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        self.actor.say(f"UID EXPUNGE {text}")
        for uid in uids:
            del self.oracle.flags[uid]

    def move_away(self) -> None:
        text, uids = self.some()
        self.actor.say(f"UID MOVE {text} Archive")
        for uid in uids:
            del self.oracle.flags[uid]

    def expire(self) -> None:
        """The oldest day, if it is not today's."""
        day = min(self.oracle.days[uid] for uid in self.oracle.flags)
        if day == self.today():
            return
        going = [uid for uid in self.oracle.flags if self.oracle.days[uid] == day]
        session = self.world.session()
        holders = [entry for entry in session.mailbox("INBOX").buckets if entry[1] <= going[0] <= entry[2]]
        bucket = next(entry[0] for entry in holders if entry[0] not in self.dropped)
        self.world.engine.drop_bucket(bucket, int(self.world.clock.now() * 1e6)).result()
        self.dropped.add(bucket)
        for uid in going:
            del self.oracle.flags[uid]

    def come_or_go(self) -> None:
        other = self.rng.choice(self.others)
        if other.client is None:
            other.connect()
        else:
            other.leave()

    def check(self) -> None:
        other = self.rng.choice(self.others)
        other.catch_up()
        assert other.flags == self.oracle.flags


@pytest.mark.parametrize("seed", range(8))
def test_whoever_comes_back_knows_the_mailbox_as_it_is(seed: int) -> None:
    play = Play(seed)
    for _ in range(250):
        play.step()
    for other in play.others:
        other.catch_up()
        assert other.flags == play.oracle.flags
