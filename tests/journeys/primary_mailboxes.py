"""The mailboxes of a scripted primary: its SMTP side fills them, its IMAP side shows them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

USUAL = {"INBOX": "", "Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash"}


@dataclass
class Kept:
    """One message in a mailbox; ``date`` is INTERNALDATE as APPEND gave it, empty for what came by SMTP."""

    uid: int
    octets: bytes
    flags: tuple[str, ...] = ()
    date: str = ""

    def field(self, name: str) -> str:
        """The unfolded value of a header field, empty where there is none."""
        header = re.sub(rb"\r\n(?=[ \t])", b"", self.octets.split(b"\r\n\r\n", 1)[0])
        for line in header.split(b"\r\n"):
            found, colon, value = line.partition(b":")
            if colon and found.strip().lower() == name.lower().encode():
                return value.strip().decode("utf-8", "replace")
        return ""


class Mailboxes:
    """Every user's mailboxes, made when they are first looked at; names are as they stand on the wire."""

    def __init__(self, folders: Mapping[str, str] | None = None) -> None:
        """``folders``: name and special use of those that each user has from the beginning."""
        self._folders = dict(USUAL if folders is None else folders)
        self._lock = threading.Lock()
        self._users: dict[str, dict[str, list[Kept]]] = {}
        self._uses: dict[str, dict[str, str]] = {}
        self._uid = 0

    def give_everybody(self, folders: Mapping[str, str]) -> None:
        """From now on users have these, and nothing in them."""
        with self._lock:
            self._folders = dict(folders)
            self._users.clear()
            self._uses.clear()

    def deliver(
        self, user: str, octets: bytes, folder: str = "INBOX", flags: tuple[str, ...] = (), date: str = ""
    ) -> None:
        """KeyError when there is no such mailbox."""
        with self._lock:
            self._uid += 1
            self._of(user)[folder].append(Kept(self._uid, octets, flags, date))

    def messages(self, user: str, folder: str = "INBOX") -> list[Kept]:
        with self._lock:
            return list(self._of(user).get(folder, ()))

    def folders(self, user: str) -> dict[str, str]:
        """Name and special use."""
        with self._lock:
            self._of(user)
            return dict(self._uses[user.lower()])

    def create(self, user: str, folder: str, use: str = "") -> bool:
        with self._lock:
            if folder in self._of(user):
                return False
            self._users[user.lower()][folder] = []
            self._uses[user.lower()][folder] = use
            return True

    def lose(self, user: str, message_id: str) -> int:
        """Forget every copy of a message; how many there were."""
        with self._lock:
            before = sum(map(len, self._of(user).values()))
            for kept in self._users[user.lower()].values():
                kept[:] = [one for one in kept if one.field("Message-ID") != message_id]
            return before - sum(map(len, self._users[user.lower()].values()))

    def mark(self, user: str, folder: str, uid: int, flags: tuple[str, ...]) -> None:
        """One message has these flags now."""
        with self._lock:
            for one in self._of(user)[folder]:
                if one.uid == uid:
                    one.flags = flags

    def expunge(self, user: str, folder: str, uids: Callable[[int], bool]) -> int:
        """Those of ``uids`` that are marked as deleted go; how many."""
        with self._lock:
            kept = self._of(user)[folder]
            gone = [one for one in kept if uids(one.uid) and "\\Deleted" in one.flags]
            kept[:] = [one for one in kept if one not in gone]
            return len(gone)

    def clear(self) -> None:
        with self._lock:
            self._users.clear()
            self._uses.clear()

    def _of(self, user: str) -> dict[str, list[Kept]]:
        key = user.lower()
        if key not in self._users:
            self._users[key] = {name: [] for name in self._folders}
            self._uses[key] = dict(self._folders)
        return self._users[key]
