"""Threads of a set of messages (RFC 5256 §3): pure, over what each message says of itself.

Owns both algorithms. Does not read the store (``threading_run`` does). Both yield often, where others may go on; no
step recurses, for mail decides how deep a thread is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from xtramail.mailbox.run_sort import run_sort
from xtramail.mailbox.thread_tree import Letter, Node, Tree, link_all
from xtramail.wire.imap.sort_commands import ThreadAlgorithm

_BREATH = 512
"""Messages between two yields."""

Forest = Generator[None, None, list[Node]]


def threads_of(letters: Sequence[Letter], algorithm: ThreadAlgorithm) -> Forest:
    """Root nodes in the order they are told. ``letters`` in the order of the mailbox."""
    return by_references(letters) if algorithm is ThreadAlgorithm.REFERENCES else by_subject(letters)


def by_subject(letters: Sequence[Letter]) -> Forest:
    """ORDEREDSUBJECT: the first message of a subject, and all others of it below that one."""
    groups: dict[str, Node] = {}
    ordered = yield from run_sort(letters, _sent)
    for count, letter in enumerate(ordered):
        first = groups.get(letter.subject)
        if first is None:
            groups[letter.subject] = Node(letter)
        else:
            first.adopt((Node(letter),))
        if not count % _BREATH:
            yield
    # Insertion order is that of the first messages, which is by sent date.
    return list(groups.values())


def by_references(letters: Sequence[Letter]) -> Forest:
    """REFERENCES, steps 1 to 6 of RFC 5256 §3."""
    tree = Tree()
    yield from link_all(tree, letters)
    roots = yield from tree.roots()
    roots = yield from _pruned(roots)
    roots = yield from _sorted_all(roots)
    roots = yield from _gathered(roots)
    return (yield from _sorted_all(roots))


def _sent(letter: Letter) -> tuple[int, int]:
    """Sent date; where it is the same, the order of the mailbox (RFC 5256 §2.2)."""
    return letter.sent_at, letter.order


def _age(node: Node) -> tuple[int, int]:
    """A dummy is as old as its first child, so its children are sorted before it."""
    return _sent(_speaker(node))


def _speaker(node: Node) -> Letter:
    """The message that stands for a node under the root: its own, or that of a dummy's first child (never a dummy)."""
    letter = node.letter
    if letter is None:
        letter = node.children[0].letter
    assert letter is not None, "pruning leaves no dummy below a dummy, and none without children"
    return letter


def _downwards(roots: Iterable[Node]) -> Generator[None, None, list[Node]]:
    """Every node, parents before their children."""
    found = list(roots)
    for count, node in enumerate(found):
        # The list grows while it is walked: that is the walk.
        found.extend(node.children)
        if not count % _BREATH:
            yield
    return found


def _pruned(roots: list[Node]) -> Forest:
    """Steps 2 and 3: dummies go; their children take their place, but several never directly under the root."""
    order = yield from _downwards(roots)
    for count, node in enumerate(reversed(order)):
        if any(child.letter is None for child in node.children):
            kept: list[Node] = []
            for child in node.children:
                if child.letter is None:
                    kept.extend(child.children)
                else:
                    kept.append(child)
            node.replace_children(kept)
        if not count % _BREATH:
            yield
    left: list[Node] = []
    for count, node in enumerate(roots):
        if node.letter is not None or len(node.children) > 1:
            left.append(node)
        else:
            left.extend(node.children)
        if not count % _BREATH:
            yield
    return left


def _sorted_all(roots: list[Node]) -> Forest:
    """Steps 4 and 6: siblings by sent date, from the leaves up."""
    order = yield from _downwards(roots)
    for count, node in enumerate(reversed(order)):
        node.sort_children(_age)
        if not count % _BREATH:
            yield
    return (yield from run_sort(roots, _age))


@dataclass(slots=True)
class _Gathering:
    """Step 5: nodes under the root that share a base subject become one."""

    roots: dict[Node, None]
    """Those that are left, in order."""
    table: dict[str, Node]

    def note(self, node: Node) -> None:
        """5.B: a dummy speaks for its subject before a message, a message before one that answers it."""
        speaker = _speaker(node)
        if not speaker.subject:
            return
        held = self.table.get(speaker.subject)
        if held is None or (
            held.letter is not None and (node.letter is None or (held.letter.answers and not node.letter.answers))
        ):
            self.table[speaker.subject] = node

    def merge(self, node: Node) -> None:
        """5.C."""
        subject = _speaker(node).subject
        held = self.table.get(subject) if subject else None
        if held is None or held is node:
            return
        del self.roots[node]
        if held.letter is None:
            if node.letter is None:
                held.adopt(node.children)
            else:
                held.adopt((node,))
        elif node.letter is not None and node.letter.answers and not held.letter.answers:
            held.adopt((node,))
        else:
            both = Node(None)
            both.adopt((held, node))
            del self.roots[held]
            self.roots[both] = None
            self.table[subject] = both


def _gathered(roots: list[Node]) -> Forest:
    gathering = _Gathering(roots=dict.fromkeys(roots), table={})
    for count, node in enumerate(roots):
        gathering.note(node)
        if not count % _BREATH:
            yield
    for count, node in enumerate(roots):
        gathering.merge(node)
        if not count % _BREATH:
            yield
    return list(gathering.roots)
