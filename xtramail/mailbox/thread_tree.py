"""Step 1 of THREAD=REFERENCES (RFC 5256 §3): messages linked to what they answer, by Message-ID.

Owns the links: no loops, whatever mail claims, and bounded work and memory. What becomes of the tree is ``threads``'.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
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
    """A place in a thread; a dummy without ``letter`` where a message is referred to and not there."""

    __slots__ = ("children", "letter")

    def __init__(self, letter: Letter | None) -> None:
        self.letter = letter
        self.children: list[Node] = []


class _Link:
    """A node while it is being linked; children in order, each found at once."""

    __slots__ = ("children", "node", "parent")

    def __init__(self) -> None:
        self.node = Node(None)
        self.parent: _Link | None = None
        self.children: dict[_Link, None] = {}


class Tree:
    def __init__(self) -> None:
        self._by_id: dict[str, _Link] = {}
        self._links: list[_Link] = []

    def add(self, letter: Letter) -> None:
        """Step 1.A and 1.B for one message."""
        own = self._own(letter)
        last: _Link | None = None
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
            del own.parent.children[own]
            own.parent = None
        if last is not None and not _above(own, last):
            _attach(own, last)

    def roots(self) -> Generator[None, None, list[Node]]:
        """The nodes without parents, all of them with their children."""
        roots: list[Node] = []
        for count, link in enumerate(self._links):
            if link.children:
                link.node.children = [child.node for child in link.children]
            if link.parent is None:
                roots.append(link.node)
            if not count % _BREATH:
                yield
        return roots

    def _own(self, letter: Letter) -> _Link:
        """Two messages with one Message-ID: the first has it, the other has none."""
        link = self._by_id.get(letter.message_id) if letter.message_id else None
        if link is None or link.node.letter is not None:
            duplicate = link is not None
            link = self._new()
            if letter.message_id and not duplicate:
                self._by_id[letter.message_id] = link
        link.node.letter = letter
        return link

    def _referred(self, message_id: str) -> _Link:
        link = self._by_id.get(message_id)
        if link is None:
            if len(self._links) > _MOST_DUMMIES:
                raise LimitReached("The messages refer to too many others; narrow the search")
            link = self._by_id[message_id] = self._new()
        return link

    def _new(self) -> _Link:
        link = _Link()
        self._links.append(link)
        return link


def _attach(link: _Link, parent: _Link) -> None:
    link.parent = parent
    parent.children[link] = None


def _above(link: _Link, other: _Link) -> bool:
    """Whether ``other`` is ``link`` or below it, so that it cannot be its parent."""
    if not link.children:
        return link is other
    climber: _Link | None = other
    while climber is not None:
        if climber is link:
            return True
        climber = climber.parent
    return False


def link_all(tree: Tree, letters: Sequence[Letter]) -> Generator[None, None, None]:
    """Every message in the order of the mailbox."""
    for count, letter in enumerate(letters):
        tree.add(letter)
        if not count % _BREATH or len(letter.references) > 10:
            yield
