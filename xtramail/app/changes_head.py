"""How the log of changes ended when somebody last looked: number and seal of its newest row, beside the password keys.

Rows that are cut off the end leave a chain that is whole. Whoever makes a change (the server, a command) writes this
file right behind it, outside of the store, and never over one that the store does not agree with: that is for a person
(``xtramail audit accept``). Who may write the keys' folder may write this file, too; from him a log that is kept on
another machine protects.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from xtramail.model.errors import BadInput
from xtramail.store import audit, keys
from xtramail.store.engine import Engine, Snapshot

NAME = "changes.head"


@dataclass(frozen=True, slots=True)
class ChangesHead:
    file: Path

    @classmethod
    def beside(cls, keys: Path) -> ChangesHead:
        """``keys``: the file of the password keys."""
        return cls(keys.with_name(NAME))

    def noted(self) -> tuple[int, bytes] | None:
        """None before the first change. BadInput for a file that is not ours, OSError."""
        try:
            text = self.file.read_text("ascii", errors="replace")
        except FileNotFoundError:
            return None
        if not text.strip():
            # A cut of power: the file is not waited for.
            return None
        try:
            return audit.read_noted(text)
        except BadInput:
            raise BadInput(f"{self.file}: no NUMBER:SEAL; look who wrote it, then: xtramail audit accept") from None

    def follow(self, engine: Engine) -> str:
        """Note how the log ends now. What is wrong, where that is not how it was noted before and more: then nothing is
        written. OSError."""
        try:
            noted = self.noted()
        except BadInput as illegible:
            return illegible.text

        def look(snap: Snapshot) -> tuple[tuple[int, bytes], str]:
            newest = audit.head(snap)
            return newest, "" if noted in (None, newest) else audit.head_fault(snap, noted)

        newest, fault = engine.read(keys.AUDIT, look)
        if not fault and newest[0] and newest != noted:
            self.write(newest)
        return fault

    def write(self, newest: tuple[int, bytes]) -> None:
        """In place of what was noted. OSError. Nobody waits for the disk: what was noted before is true, too."""
        # By hand: tempfile would be loaded for each command.
        temporary = self.file.with_name(f".{NAME}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(f"{newest[0]}:{newest[1].hex()}\n")
            os.replace(temporary, self.file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
