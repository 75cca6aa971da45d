"""LIST with selection options (RFC 5258 §3.1, RFC 6154 §2): which names are chosen, and which only lead to chosen ones.

Owns RECURSIVEMATCH and CHILDINFO. Patterns and order are ``listing``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xtramail.mailbox.listing import Folder, Listed, order_of, parents_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """At least one of ``subscribed`` and ``special_use``; a name fits all of them. ``recursive``: RECURSIVEMATCH."""

    subscribed: bool
    special_use: bool
    recursive: bool

    @property
    def names(self) -> tuple[bytes, ...]:
        """As CHILDINFO tells them."""
        return ((b"SUBSCRIBED",) if self.subscribed else ()) + ((b"SPECIAL-USE",) if self.special_use else ())


def list_selected(
    folders: Iterable[Folder], patterns: Sequence[str], subscribed: frozenset[str], selection: Selection
) -> list[Listed]:
    """INBOX first, then by name. A chosen name that is no mailbox has \\NonExistent.

    ``subscribed`` are all subscribed names. With RECURSIVEMATCH a chosen name with chosen ones below it has CHILDINFO;
    one that is not chosen itself is told for those below it that no pattern names (RFC 5258 §3.3, §3.5).
    """
    by_name = {folder.name: folder for folder in folders}
    with_children = {parent for name in by_name for parent in parents_of(name)}
    chosen = _chosen(by_name, subscribed, selection)
    named = {name for name in chosen if by_name.get(name, Folder(name)).named_by(patterns)}
    above = {parent for name in chosen for parent in parents_of(name)} if selection.recursive else set()
    alone = {parent for name in chosen - named for parent in parents_of(name)} & above
    listed = []
    for name in sorted(named | alone, key=order_of):
        folder = by_name.get(name)
        if name not in named and not (folder or Folder(name)).named_by(patterns):
            continue
        attributes = [] if folder is not None else [b"\\NonExistent"]
        attributes.append(b"\\HasChildren" if name in with_children else b"\\HasNoChildren")
        if folder is not None and folder.special_use:
            attributes.append(folder.special_use.encode("ascii"))
        if name in subscribed:
            attributes.append(b"\\Subscribed")
        child_info = selection.names if name in above else ()
        listed.append(Listed(name=name, attributes=tuple(attributes), child_info=child_info, chosen=name in chosen))
    return listed


def _chosen(by_name: Mapping[str, Folder], subscribed: frozenset[str], selection: Selection) -> frozenset[str]:
    special = frozenset(name for name, folder in by_name.items() if folder.special_use)
    if not selection.special_use:
        return subscribed
    return special & subscribed if selection.subscribed else special
