"""Random commands of two clients on one tree of mailboxes, against a model that keeps names and what they stand for.

CREATE, DELETE, RENAME, subscriptions, LIST and LSUB change and tell the same names; each answer is foretold.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import pytest

from tests.imap_world import MAIL, Client, World

SPECIAL = {"INBOX": "", "Drafts": "\\Drafts", "Sent": "\\Sent", "Archive": "\\Archive", "Junk": "\\Junk",
           "Trash": "\\Trash"}  # fmt: skip
LEVELS = ("a", "b", "c", "&AOk-", "&-", "Sent", "Trash", "INBOX")
PATTERNS = ("*", "%", "%/%", "a*", "a/%", "*/b", "&AOk-/%", "%c%", "INBOX*", "a/b", "*&-*", "%/c", "Sent/*", "nothing")
STEPS = 150


@dataclass
class Box:
    """What a name stands for. Zero and empty until a client asked."""

    use: str = ""
    messages: int = 0
    id: str = ""
    validity: int = 0


def parents(name: str) -> list[str]:
    levels = name.split("/")
    return ["/".join(levels[:depth]) for depth in range(1, len(levels))]


def matches(name: str, pattern: str) -> bool:
    spelled = "".join({"*": ".*", "%": "[^/]*"}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(spelled, name, re.DOTALL) is not None


class Tree:
    """The model: names as they are spelled on the wire."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.subscribed: set[str] = set()
        self.login()

    def login(self) -> None:
        """Everybody has the special mailboxes, or others that took over their use."""
        for name, use in SPECIAL.items():
            if use and use in {box.use for box in self.boxes.values()}:
                continue
            if name not in self.boxes:
                self.boxes[name] = Box(use=use)
                self.subscribed.add(name)
            elif use:
                self.boxes[name].use = use

    def below(self, name: str) -> list[str]:
        return [other for other in self.boxes if other.startswith(name + "/")]

    def create(self, name: str) -> str:
        if name in self.boxes:
            return "NO [ALREADYEXISTS]"
        for one in [*parents(name), name]:
            self.boxes.setdefault(one, Box())
        return "OK"

    def delete(self, name: str) -> str:
        if name not in self.boxes:
            return "NO [NONEXISTENT]"
        if name == "INBOX":
            return "NO [NOPERM]"
        if self.below(name):
            return "NO [HASCHILDREN]"
        del self.boxes[name]
        return "OK"

    def rename(self, old: str, new: str) -> str:
        if old not in self.boxes:
            return "NO [NONEXISTENT]"
        if new in self.boxes:
            return "NO [ALREADYEXISTS]"
        if old == "INBOX":
            self.create(new)
            self.boxes[new].messages, self.boxes[old].messages = self.boxes[old].messages, 0
            return "OK"
        if new.startswith(old + "/"):
            return "NO [CANNOT]"
        moved = {new + one[len(old) :]: self.boxes.pop(one) for one in [old, *self.below(old)]}
        self.boxes.update(moved)
        self.create(new)
        for one in parents(new):
            self.boxes.setdefault(one, Box())
        return "OK"

    def listed(self, pattern: str) -> dict[str, set[str]]:
        return {
            name: {"\\HasChildren" if self.below(name) else "\\HasNoChildren", *filter(None, (box.use,))}
            for name, box in self.boxes.items()
            if matches(name, pattern)
        }

    def lsub(self, pattern: str) -> dict[str, set[str]]:
        """RFC 3501 §6.3.9: where % stopped, the name that leads to a subscribed one."""
        told: dict[str, set[str]] = {}
        for name in self.subscribed:
            if matches(name, pattern):
                told[name] = set() if name in self.boxes else {"\\Noselect"}
            elif pattern.endswith("%"):
                told |= {
                    one: {"\\Noselect"} for one in parents(name) if one not in self.subscribed and matches(one, pattern)
                }
        return told


def lines(answer: str, word: str) -> dict[str, set[str]]:
    found = re.findall(rf'^\* {word} \(([^)]*)\) "/" "([^"]*)"\r$', answer, re.MULTILINE)
    assert len(found) == len({name for _, name in found}) == answer.count(f"* {word} "), answer
    return {name: set(attributes.split()) for attributes, name in found}


class Play:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.tree = Tree()
        self.clients = [self.world.client(), self.world.client()]
        self.used: dict[str, dict[str, int]] = {}
        """UIDVALIDITY by name and MAILBOXID, ever seen."""

    def name(self) -> str:
        known = list(self.tree.boxes)
        if self.rng.random() < 0.4:
            return self.rng.choice(known)
        return "/".join(self.rng.choices(LEVELS, k=self.rng.choice((1, 1, 2, 2, 3))))

    def spelled(self, name: str) -> str:
        first, separator, rest = name.partition("/")
        if first == "INBOX":
            first = self.rng.choice(("INBOX", "inbox", "InBoX"))
        return f'"{first}{separator}{rest}"'

    def step(self) -> None:
        self.world.clock.advance(self.rng.choice((0, 0, 1, 4000)))
        place = self.rng.randrange(2)
        if self.clients[place].closed or self.rng.random() < 0.03:
            self.clients[place] = self.world.client()
            self.tree.login()
        act = self.rng.choice(
            (self.create, self.create, self.delete, self.rename, self.subscribe, self.lists, self.lsubs, self.status,
             self.append, self.select)
        )  # fmt: skip
        act(self.clients[place])

    def expect(self, client: Client, command: str, wanted: str) -> str:
        answer = client.say(command)
        assert re.search(rf"^T {re.escape(wanted)} ", answer, re.MULTILINE), (command, wanted, answer)
        return answer

    def create(self, client: Client) -> None:
        name = self.name()
        self.expect(client, f"CREATE {self.spelled(name)}", self.of_new(self.tree.create(name)))

    def of_new(self, wanted: str) -> str:
        return "OK [MAILBOXID" if wanted == "OK" else wanted

    def delete(self, client: Client) -> None:
        name = self.name()
        self.expect(client, f"DELETE {self.spelled(name)}", self.tree.delete(name))

    def rename(self, client: Client) -> None:
        old, new = self.name(), self.name()
        command = f"RENAME {self.spelled(old)} {self.spelled(new)}"
        self.expect(client, command, self.tree.rename(old, new))

    def subscribe(self, client: Client) -> None:
        name = self.name()
        if self.rng.random() < 0.6:
            self.expect(client, f"SUBSCRIBE {self.spelled(name)}", "OK")
            self.tree.subscribed.add(name)
        else:
            self.expect(client, f"UNSUBSCRIBE {self.spelled(name)}", "OK")
            self.tree.subscribed.discard(name)

    def lists(self, client: Client) -> None:
        pattern = self.rng.choice(PATTERNS)
        if self.rng.random() < 0.3:
            told = lines(self.expect(client, f'LIST (SUBSCRIBED) "" "{pattern}"', "OK"), "LIST")
            assert set(told) == {name for name in self.tree.subscribed if matches(name, pattern)}
            assert {name for name in told if "\\NonExistent" in told[name]} == told.keys() - self.tree.boxes.keys()
        else:
            assert lines(self.expect(client, f'LIST "" "{pattern}"', "OK"), "LIST") == self.tree.listed(pattern)

    def lsubs(self, client: Client) -> None:
        pattern = self.rng.choice(PATTERNS)
        assert lines(self.expect(client, f'LSUB "" "{pattern}"', "OK"), "LSUB") == self.tree.lsub(pattern)

    def status(self, client: Client) -> None:
        name = self.name()
        box = self.tree.boxes.get(name)
        command = f"STATUS {self.spelled(name)} (MESSAGES UIDVALIDITY MAILBOXID)"
        if box is None:
            self.expect(client, command, "NO [NONEXISTENT]")
            return
        found = re.search(
            r"\(MESSAGES (\d+) UIDVALIDITY (\d+) MAILBOXID \((\S+)\)\)", self.expect(client, command, "OK")
        )
        assert found and int(found[1]) == box.messages
        # What a name stands for keeps its id and its UIDs wherever it goes; whatever else takes the name has others.
        assert box.id in ("", found[3]) and box.validity in (0, int(found[2]))
        box.id, box.validity = found[3], int(found[2])
        seen = self.used.setdefault(name, {})
        assert all(validity != box.validity for known, validity in seen.items() if known != box.id)
        seen[box.id] = box.validity

    def append(self, client: Client) -> None:
        name = self.name()
        answer = client.append(MAIL, self.spelled(name))
        if name in self.tree.boxes:
            assert "T OK [APPENDUID" in answer
            self.tree.boxes[name].messages += 1
        else:
            assert "T NO [TRYCREATE]" in answer

    def select(self, client: Client) -> None:
        name = self.name()
        if name in self.tree.boxes:
            answer = self.expect(client, f"SELECT {self.spelled(name)}", "OK [READ-WRITE]")
            assert f"* {self.tree.boxes[name].messages} EXISTS" in answer
        else:
            self.expect(client, f"SELECT {self.spelled(name)}", "NO [NONEXISTENT]")


@pytest.mark.parametrize("seed", range(12))
def test_every_answer_about_the_tree_is_what_its_history_says(seed: int) -> None:
    play = Play(seed)
    for _ in range(STEPS):
        play.step()
    last = play.world.client()
    play.tree.login()
    assert lines(last.say('LIST "" "*"'), "LIST") == play.tree.listed("*")
    assert lines(last.say('LSUB "" "*"'), "LSUB") == play.tree.lsub("*")
