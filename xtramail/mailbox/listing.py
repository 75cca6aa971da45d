"""LIST and LSUB: which names match, and what is said of each.

Owns the matcher for ``*`` and ``%`` (one pass, no regular expressions on client input) and the attributes of
RFC 3501 §7.2.2, RFC 3348 and RFC 6154. Does not own the tree itself (``store/mailboxes``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xtramail.model.errors import LimitReached

SEPARATOR = "/"
INBOX = "INBOX"
_BELOW_INBOX = INBOX + SEPARATOR
MAX_PATTERN = 1024


def matches(name: str, pattern: str) -> bool:
    """Whether ``pattern`` names ``name``: ``*`` stands for any characters, ``%`` for any but the separator.

    The first component INBOX compares without case (RFC 3501 §5.1), also where the pattern has wildcards in it. One
    pass: bit n of ``reached`` says that what was read of the pattern can name the first n characters. Going back where
    a wildcard took too little costs seconds with ``*%`` before a long run, and without end with several of them.
    """
    folded = len(INBOX) if name == INBOX or name.startswith(_BELOW_INBOX) else 0
    places: dict[str, int] = {}
    for at, character in enumerate(name):
        places[character] = places.get(character, 0) | 1 << at
        if at < folded:
            lower = character.lower()
            places[lower] = places.get(lower, 0) | 1 << at
    whole = (1 << len(name)) - 1
    level = whole & ~places.get(SEPARATOR, 0)
    reached = 1
    for want in pattern:
        if want == "*":
            reached = -(reached & -reached) & (whole << 1 | 1)
        elif want == "%":
            # The carry of the sum runs from each bit to the end of its level.
            reached |= ((reached & level) + level) ^ level
        else:
            reached = (reached & places.get(want, 0)) << 1
    return bool(reached >> len(name))


def pattern_of(reference: str, pattern: str) -> str:
    """What a client names by reference and pattern; LimitReached for one that is longer than any name."""
    whole = pattern if pattern.startswith(SEPARATOR) else reference + pattern
    if len(whole) > MAX_PATTERN:
        raise LimitReached("Pattern is too long")
    return whole


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of LIST or LSUB; ``attributes`` in the order they are told."""

    name: str
    attributes: tuple[bytes, ...]
    child_info: tuple[bytes, ...] = ()
    """Selection options that names below it fit (RFC 5258 §3.5)."""
    chosen: bool = True
    """False: told only for the names below it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox that exists, as LIST sees it."""

    name: str
    special_use: str = ""
    shy: bool = False
    """Only its whole name names it, no wildcard."""

    def named_by(self, patterns: Iterable[str]) -> bool:
        return any(
            matches(self.name, pattern) for pattern in patterns if not (self.shy and ("*" in pattern or "%" in pattern))
        )


def parents_of(name: str) -> list[str]:
    """``a`` and ``a/b`` for ``a/b/c``."""
    places = [at for at, character in enumerate(name) if character == SEPARATOR]
    return [name[:at] for at in places]


def list_folders(folders: Iterable[Folder], patterns: Sequence[str], subscribed: frozenset[str] | None) -> list[Listed]:
    """LIST: mailboxes, and names that only have mailboxes below them (\\Noselect), INBOX first, then by name.

    ``subscribed``: mark these with \\Subscribed; None when nobody asked.
    """
    by_name = {folder.name: folder for folder in folders}
    with_children = {parent for name in by_name for parent in parents_of(name)}
    listed = []
    for name in sorted(by_name.keys() | with_children, key=order_of):
        folder = by_name.get(name)
        if not (folder or Folder(name)).named_by(patterns):
            continue
        attributes = [] if folder is not None else [b"\\Noselect"]
        attributes.append(b"\\HasChildren" if name in with_children else b"\\HasNoChildren")
        if folder is not None and folder.special_use:
            attributes.append(folder.special_use.encode("ascii"))
        if subscribed is not None and name in subscribed:
            attributes.append(b"\\Subscribed")
        listed.append(Listed(name=name, attributes=tuple(attributes)))
    return listed


def list_subscribed(names: Iterable[str], existing: frozenset[str], patterns: Sequence[str]) -> list[Listed]:
    """LSUB: subscribed names, whether they exist or not.

    A name that is not subscribed but has a subscribed one below, where ``%`` stopped, is told with \\Noselect
    (RFC 3501 §6.3.9).
    """
    subscribed = frozenset(names)
    found: dict[str, tuple[bytes, ...]] = {}
    for name in subscribed:
        if any(matches(name, pattern) for pattern in patterns):
            found[name] = () if name in existing else (b"\\Noselect",)
            continue
        for parent in parents_of(name):
            ends_in_level = any(pattern.endswith("%") and matches(parent, pattern) for pattern in patterns)
            if parent not in subscribed and ends_in_level:
                found[parent] = (b"\\Noselect",)
    return [Listed(name=name, attributes=found[name]) for name in sorted(found, key=order_of)]


def order_of(name: str) -> tuple[bool, str]:
    """INBOX and what is below it first."""
    return name != INBOX and not name.startswith(_BELOW_INBOX), name
