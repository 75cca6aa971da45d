"""Random commands of three clients on two mailboxes, against a model that knows nothing of the server's insides.

Each client keeps message numbers from what it is told alone, as real clients do. The oracle is one dict a mailbox.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.imap_world import MAIL, Client, World
from xtramail.model.sequence import SequenceSet

BOXES = ("INBOX", "Archive")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "\\Answered", "kw1", "kw2")
_FETCH = re.compile(r"^\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \(([^)]*)\))?(?: ?UID (\d+))?\)$")


class Oracle:
    """What is in each mailbox: UID to flags."""

    def __init__(self) -> None:
        self.boxes: dict[str, dict[int, frozenset[str]]] = {box: {} for box in BOXES}
        self.next_uid = dict.fromkeys(BOXES, 1)

    def add(self, box: str, flags: frozenset[str]) -> None:
        self.boxes[box][self.next_uid[box]] = flags
        self.next_uid[box] += 1


class Told:
    """One client: what it believes, from untagged answers alone."""

    def __init__(self, client: Client, rng: random.Random) -> None:
        self.client = client
        self.rng = rng
        self.box = ""
        self.read_only = False
        self.uids: list[int] = []
        self.flags: dict[int, frozenset[str]] = {}

    def select(self, box: str) -> None:
        self.read_only = self.rng.random() < 0.2
        self.uids, self.flags, self.box = [], {}, box
        answer = self.client.say(f"{'EXAMINE' if self.read_only else 'SELECT'} {box}")
        assert "T OK" in answer, answer
        self.hear(answer)
        self.learn()

    def learn(self) -> None:
        """As clients do after EXISTS: which UIDs, which flags."""
        self.hear(self.client.say("FETCH 1:* (UID FLAGS)"), may_expunge=False)

    def hear(self, answer: str, *, may_expunge: bool = True) -> None:
        for line in answer.splitlines():
            if found := re.match(r"^\* (\d+) EXISTS$", line):
                assert int(found[1]) >= len(self.uids), line
                self.uids += [0] * (int(found[1]) - len(self.uids))
            elif found := re.match(r"^\* (\d+) EXPUNGE$", line):
                assert may_expunge, answer
                self.flags.pop(self.uids.pop(int(found[1]) - 1), None)
            elif found := _FETCH.match(line):
                self.fetched(int(found[1]), int(found[2] or found[4] or 0), found[3])

    def fetched(self, number: int, uid: int, flags: str | None) -> None:
        assert number <= len(self.uids)
        known = self.uids[number - 1]
        if uid:
            assert known in (0, uid), (number, known, uid)
            self.uids[number - 1] = uid
        if flags is not None and self.uids[number - 1]:
            words = frozenset(flags.split()) - {"\\Recent"}
            self.flags[self.uids[number - 1]] = words

    def some(self) -> tuple[str, list[int], bool]:
        """A set as text, its UIDs, and whether it is one of UIDs."""
        numbers = sorted(self.rng.sample(range(1, len(self.uids) + 1), self.rng.randint(1, len(self.uids))))
        uids = [self.uids[number - 1] for number in numbers]
        by_uid = self.rng.random() < 0.5
        return bytes(SequenceSet.of_numbers(uids if by_uid else numbers)).decode(), uids, by_uid


class Play:
    """One random run."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.oracle = Oracle()
        self.players = [Told(self.world.client(), self.rng) for _ in range(3)]
        for player in self.players:
            player.select(self.rng.choice(BOXES))

    def step(self) -> None:
        self.world.clock.advance(self.rng.choice((0, 0.5, 40, 30_000)))
        player = self.rng.choice(self.players)
        acts = [self.append, self.deliver, self.noop, self.reselect, self.check]
        if player.uids and all(player.uids):
            acts += [self.store, self.store, self.copy, self.move, self.expunge, self.fetch, self.search]
        self.rng.choice(acts)(player)
        if 0 in player.uids:
            player.learn()

    def append(self, player: Told) -> None:
        box, flags = self.rng.choice(BOXES), self.random_flags()
        answer = player.client.append(MAIL, box, f"({' '.join(sorted(flags))}) ")
        assert f" {self.oracle.next_uid[box]}] Appended" in answer, answer
        self.oracle.add(box, flags)
        player.hear(answer)

    def deliver(self, _player: Told) -> None:
        box = self.rng.choice(BOXES)
        self.world.deliver(mailbox=box)
        self.oracle.add(box, frozenset())

    def noop(self, player: Told) -> None:
        player.hear(player.client.say("NOOP"))

    def reselect(self, player: Told) -> None:
        if self.rng.random() < 0.3:
            player.select(self.rng.choice(BOXES))

    def store(self, player: Told) -> None:
        which, uids, by_uid = player.some()
        mode, flags = self.rng.choice(("", "+", "-")), self.random_flags()
        silent = self.rng.choice(("", ".SILENT"))
        prefix = "UID " if by_uid else ""
        answer = player.client.say(f"{prefix}STORE {which} {mode}FLAGS{silent} ({' '.join(sorted(flags))})")
        if player.read_only:
            assert "T NO [NOPERM]" in answer
            return
        assert "T OK" in answer, answer
        rows = self.oracle.boxes[player.box]
        for uid in uids:
            if uid in rows:
                rows[uid] = {"": flags, "+": rows[uid] | flags, "-": rows[uid] - flags}[mode]
                if silent:
                    player.flags[uid] = rows[uid]
        player.hear(answer, may_expunge=by_uid)

    def copy(self, player: Told) -> None:
        self.carry(player, "COPY")

    def move(self, player: Told) -> None:
        self.carry(player, "MOVE")

    def carry(self, player: Told, verb: str) -> None:
        which, uids, by_uid = player.some()
        target = self.rng.choice(BOXES)
        answer = player.client.say(f"{'UID ' if by_uid else ''}{verb} {which} {target}")
        player.hear(answer)
        rows = self.oracle.boxes[player.box]
        if verb == "MOVE" and player.read_only:
            assert "T NO [NOPERM]" in answer or "T NO [EXPUNGEISSUED]" in answer
        elif not by_uid and any(uid not in rows for uid in uids):
            # By number it is all or nothing; the client may not have been told yet, or the store finds out.
            assert "T NO [EXPUNGEISSUED]" in answer or "T OK" in answer
            if "T OK" in answer:
                self.carried(player.box, target, [uid for uid in uids if uid in rows], verb)
        else:
            assert "T OK" in answer, answer
            self.carried(player.box, target, [uid for uid in uids if uid in rows], verb)

    def carried(self, source: str, target: str, uids: list[int], verb: str) -> None:
        for uid in uids:
            self.oracle.add(target, self.oracle.boxes[source][uid])
        if verb == "MOVE":
            for uid in uids:
                del self.oracle.boxes[source][uid]

    def expunge(self, player: Told) -> None:
        rows = self.oracle.boxes[player.box]
        _, uids, by_uid = player.some()
        named = bytes(SequenceSet.of_numbers(uids)).decode()
        answer = player.client.say(f"UID EXPUNGE {named}" if by_uid else "EXPUNGE")
        player.hear(answer)
        if player.read_only:
            assert "T NO [NOPERM]" in answer
            return
        assert "T OK" in answer
        for uid in [uid for uid, flags in rows.items() if "\\Deleted" in flags]:
            if not by_uid or uid in uids:
                del rows[uid]

    def fetch(self, player: Told) -> None:
        which, uids, by_uid = player.some()
        answer = player.client.say(f"{'UID ' if by_uid else ''}FETCH {which} (UID FLAGS)")
        assert "T OK" in answer, answer
        player.hear(answer, may_expunge=by_uid)
        rows = self.oracle.boxes[player.box]
        for uid in uids:
            if uid in rows:
                assert player.flags[uid] == rows[uid], (uid, answer)

    def search(self, player: Told) -> None:
        flag = self.rng.choice(("SEEN", "FLAGGED", "DELETED", "ANSWERED"))
        answer = player.client.say(f"UID SEARCH {flag}")
        found = re.search(r"^\* SEARCH([ \d]*)\r$", answer, re.M)
        assert found is not None, answer
        rows = self.oracle.boxes[player.box]
        wanted = {uid for uid, flags in rows.items() if f"\\{flag.capitalize()}" in flags}
        assert set(map(int, found[1].split())) == wanted, answer
        player.hear(answer)

    def check(self, player: Told) -> None:
        """After NOOP a client knows exactly what there is."""
        player.hear(player.client.say("NOOP"))
        if 0 in player.uids:
            player.learn()
        rows = self.oracle.boxes[player.box]
        assert player.uids == sorted(rows)
        assert player.flags == rows

    def random_flags(self) -> frozenset[str]:
        return frozenset(self.rng.sample(FLAGS, self.rng.randint(0, 3)))


@pytest.mark.parametrize("seed", range(25))
def test_every_client_ends_up_knowing_what_is_there(seed: int) -> None:
    play = Play(seed)
    for _ in range(120):
        play.step()
    for player in play.players:
        play.check(player)
    for box in BOXES:
        status = play.players[0].client.say(f"STATUS {box} (MESSAGES UIDNEXT UNSEEN)")
        rows = play.oracle.boxes[box]
        unseen = sum("\\Seen" not in flags for flags in rows.values())
        assert f"MESSAGES {len(rows)} UIDNEXT {play.oracle.next_uid[box]} UNSEEN {unseen}" in status
