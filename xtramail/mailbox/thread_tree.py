"""Step 1 of THREAD=REFERENCES (RFC 5256 §3): messages linked to what they answer, by Message-ID.

Owns the links: no loops, whatever mail claims, and bounded work and memory. What becomes of the tree is ``threads``'.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

from xtramail.model.errors import LimitReached

MOST_REFERENCES = 50
"""Of one message, the nearest ones: RFC 5537 §3.4.4 lets senders trim the middle, so no more are needed to link it."""
_MOST_DUMMIES = 200_000
_BREATH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message as threads see it."""

    uid: int
    order: int
    """Its place in the mailbox."""
    sent_at: int
    subject: str
    """Base subject, case folded."""
    answers: bool = False
    """Its subject says that it is a reply or forward."""
    message_id: str = ""
    """Normalised; empty when it has none."""
    references: tuple[str, ...] = ()
    """Normalised, oldest first; In-Reply-To where there are none."""


class Node:
    """A place in a thread; a dummy without ``letter`` where a message is referred to and not there.

    One object for each message and no container before it has children: a hundred thousand of them are otherwise what
    the garbage collector holds everybody up for.
    """

    __slots__ = ("_children", "letter", "linked", "parent")

    def __init__(self, letter: Letter | None) -> None:
        self.letter = letter
        self._children: list[Node] | None = None
        self.parent: Node | None = None
        self.linked: dict[Node, None] | None = None
        """Children while they are still being linked, each found at once."""

    @property
    def children(self) -> Sequence[Node]:
        """Once the tree is complete."""
        return self._children or ()

    def adopt(self, nodes: Iterable[Node]) -> None:
        """Behind the children it has."""
        if self._children is None:
            self._children = list(nodes)
        else:
            self._children.extend(nodes)

    def replace_children(self, nodes: list[Node]) -> None:
        self._children = nodes or None

    def sort_children(self, key: Callable[[Node], tuple[int, int]]) -> None:
        if self._children is not None and len(self._children) > 1:
            self._children.sort(key=key)


class Tree:
    def __init__(self) -> None:
        self._by_id: dict[str, Node] = {}
        self._nodes: list[Node] = []

    def add(self, letter: Letter) -> None:
        """Step 1.A and 1.B for one message."""
        own = self._own(letter)
        last: Node | None = None
        for reference in letter.references[-MOST_REFERENCES:]:
            if reference == letter.message_id:
                # Nothing answers itself; and what it named before stays its parent.
                continue
            link = self._referred(reference)
            # A link that is there is believed: it was made by a message that is nearer to it, or came first.
            if last is not None and link.parent is None and not _above(link, last):
                _attach(link, last)
            last = link
        if own.parent is not None:
            # What was known of its parent came from others, whose References may have been cut short.
            _detach(own)
        if last is not None and not _above(own, last):
            _attach(own, last)

    def roots(self) -> Generator[None, None, list[Node]]:
        """The nodes without parents, all of them with their children."""
        roots: list[Node] = []
        for count, node in enumerate(self._nodes):
            if node.linked:
                node.adopt(node.linked)
                node.linked = None
            if node.parent is None:
                roots.append(node)
            if not count % _BREATH:
                yield
        return roots

    def _own(self, letter: Letter) -> Node:
        """Two messages with one Message-ID: the first has it, the other has none."""
        node = self._by_id.get(letter.message_id) if letter.message_id else None
        if node is None or node.letter is not None:
            duplicate = node is not None
            node = self._new()
            if letter.message_id and not duplicate:
                self._by_id[letter.message_id] = node
        node.letter = letter
        return node

    def _referred(self, message_id: str) -> Node:
        node = self._by_id.get(message_id)
        if node is None:
            if len(self._nodes) > _MOST_DUMMIES:
                raise LimitReached("The messages refer to too many others; narrow the search")
            node = self._by_id[message_id] = self._new()
        return node

    def _new(self) -> Node:
        node = Node(None)
        self._nodes.append(node)
        return node


def _attach(node: Node, parent: Node) -> None:
    node.parent = parent
    if parent.linked is None:
        parent.linked = {}
    parent.linked[node] = None


def _detach(node: Node) -> None:
    if node.parent is not None and node.parent.linked is not None:
        del node.parent.linked[node]
    node.parent = None


def _above(node: Node, other: Node) -> bool:
    """Whether ``other`` is ``node`` or below it, so that it cannot be its parent."""
    if not node.linked:
        return node is other
    climber: Node | None = other
    while climber is not None:
        if climber is node:
            return True
        climber = climber.parent
    return False


def link_all(tree: Tree, letters: Sequence[Letter]) -> Generator[None, None, None]:
    """Every message in the order of the mailbox."""
    for count, letter in enumerate(letters):
        tree.add(letter)
        if not count % _BREATH or len(letter.references) > 10:
            yield
