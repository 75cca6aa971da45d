"""Writes a mailbox as a Maildir: INBOX at the top, every other one as a Maildir++ folder there.

A message is written into ``tmp`` and then linked into ``cur``, so that who reads meanwhile sees whole ones alone. Its
name tells the octets of the file (``S=``) and of the message (``W=``).
"""

from __future__ import annotations

import os
from pathlib import Path

from xtramail.mailbox.transfer.entries import Outgoing
from xtramail.mailbox.transfer.folder_names import to_maildir
from xtramail.mailbox.transfer.line_ends import is_canonical, to_lf
from xtramail.mailbox.transfer.maildir_reader import FORWARDED, KEYWORDS_FILE, LETTERS
from xtramail.mailbox.transfer.places import PARTIAL, Place, new_file, place_new
from xtramail.store.mailbox_names import INBOX

MOST_KEYWORDS = 26


class MaildirWriter:
    """One mailbox."""

    def __init__(self, top: Path, levels: tuple[str, ...]) -> None:
        place = Place(top)
        names = () if levels == (INBOX,) else (to_maildir(levels),)
        self.path = place.inside(*names)
        self._cur, self._tmp = (place.inside(*names, name) for name in ("cur", "tmp"))
        place.inside(*names, "new")
        if names:
            # Maildir++: what says that it is a folder of the Maildir above.
            (self.path / "maildirfolder").touch(mode=0o600)
        for left in self._tmp.iterdir():
            if left.name.endswith(PARTIAL):
                left.unlink()
        self._there = {name.partition(",")[0] for name in os.listdir(self._cur)}
        self._letters: dict[str, str] = self._known()
        self._wrote = False
        self.unnamed = 0
        """Messages with keywords that had no letter left."""

    def _known(self) -> dict[str, str]:
        """Of an export that goes on."""
        try:
            lines = (self.path / KEYWORDS_FILE).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        pairs = [line.split(" ", 1) for line in lines if " " in line]
        return {name: chr(ord("a") + int(number)) for number, name in pairs}

    def has(self, message: Outgoing) -> bool:
        """An export that was cut off wrote it."""
        return self._base(message) in self._there

    def _base(self, message: Outgoing) -> str:
        return f"{message.received_at}.U{message.uid}V{message.uidvalidity}.xtramail"

    def put(self, message: Outgoing) -> None:
        """All of it or, when its octets cannot be had, nothing."""
        as_lf = is_canonical(message.chunks())
        letters = self._flags(message)
        partial = self._tmp / (self._base(message) + PARTIAL)
        try:
            with new_file(partial) as file:
                size = 0
                for chunk in to_lf(message.chunks()) if as_lf else message.chunks():
                    size += file.write(chunk)
            os.utime(partial, (message.received_at, message.received_at))
            name = f"{self._base(message)},S={size},W={message.size}:2,{letters}"
            place_new(partial, self._cur / name)
            self._wrote = True
        finally:
            partial.unlink(missing_ok=True)

    def _flags(self, message: Outgoing) -> str:
        letters = [letter for letter, flag in LETTERS.items() if message.flags & flag]
        unnamed = False
        for keyword in message.keywords:
            if keyword == FORWARDED:
                letters.append("P")
            elif (letter := self._letter(keyword)) is not None:
                letters.append(letter)
            else:
                unnamed = True
        self.unnamed += unnamed
        return "".join(sorted(letters))

    def _letter(self, keyword: str) -> str | None:
        if keyword not in self._letters and len(self._letters) < MOST_KEYWORDS:
            number = len(self._letters)
            self._letters[keyword] = chr(ord("a") + number)
            # Before the first name that has the letter.
            with os.fdopen(
                os.open(self.path / KEYWORDS_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "a"
            ) as file:
                file.write(f"{number} {keyword}\n")
        return self._letters.get(keyword)

    def finish(self) -> None:
        """Durable: one sync for all is quicker than one for each."""
        if self._wrote:
            os.sync()

    def give_up(self) -> None:
        """What is there is whole."""
