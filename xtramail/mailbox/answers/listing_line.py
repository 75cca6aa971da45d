"""One ``* LIST`` line that nobody asked for: a mailbox that was selected, renamed, or made under another spelling.

Owns when an old name is told (RFC 9051 §6.3.9.7). What LIST itself answers is ``naming``'s.
"""

from __future__ import annotations

from xtramail.mailbox.listing import Folder, list_folders
from xtramail.mailbox.session import Session
from xtramail.wire.imap import responses


def list_line(session: Session, name: str, old: str = "") -> bytes:
    """``name`` as LIST has it, with every attribute; OLDNAME when ``old`` is another name."""
    folders = [Folder(name=row.name, special_use=row.special_use) for row in session.mailboxes()]
    if all(folder.name != name for folder in folders):
        # Reachable by its name and in no list.
        folders.append(Folder(name=name))
    listed = next(one for one in list_folders(folders, (name,), frozenset(session.subscriptions())) if one.name == name)
    spelling = session.terms.spelling
    extended = responses.old_name(old, spelling) if old not in ("", name) else b""
    return responses.list_line(name, listed.attributes, extended, spelling)
