"""What every command works with: the settings, the store, and one way to say what came of it.

``--json`` prints one JSON value and nothing else on standard output. How refusals are told is ``group``'s.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import click

from xtramail.app.changes_head import ChangesHead
from xtramail.app.command.group import Commands as Commands
from xtramail.app.command.group import Reporting as Reporting
from xtramail.app.command.group import json_text, load, plain
from xtramail.app.command.privilege import become_owner
from xtramail.app.config import FILE_VARIABLE, ConfigError, Loaded
from xtramail.app.config import load as load_settings
from xtramail.app.paths import Paths
from xtramail.app.settings import Settings, named
from xtramail.app.upgrade import Formats
from xtramail.directory.desk import Desk
from xtramail.directory.keyring import Keyring, load_keyring
from xtramail.model.actor import Actor, Role
from xtramail.model.clock import SystemClock
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive
from xtramail.store import schema
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.lmdb_engine import LmdbEngine

T = TypeVar("T")

CONFIG = "xtramail.toml"
_MOST_PASSWORD_OCTETS = 1024


@dataclass
class Context:
    """Opens what a command needs when it needs it."""

    config: str | None = None
    store: str | None = None
    as_json: bool = False
    clock: SystemClock = field(default_factory=SystemClock)
    formats: Formats = field(default_factory=Formats)
    """Of the store: the one there is, and the steps to it."""

    @cached_property
    def loaded(self) -> Loaded:
        """The settings as the server would have them; ConfigError with every mistake."""
        options = {"store": self.store} if self.store is not None else {}
        config = self.config
        if config is None and self.store is not None and not os.environ.get(FILE_VARIABLE):
            config = settings_beside(Path(self.store))
        return load_settings(config=config, options=options, environ=os.environ)

    @property
    def settings(self) -> Settings:
        """As they were loaded; the host name may be empty."""
        return self.loaded.settings

    @property
    def named_settings(self) -> Settings:
        """With a host name, for which DNS may be asked."""
        return named(self.settings)

    @cached_property
    def paths(self) -> Paths:
        return Paths.of(self.settings, self.loaded.file)

    @cached_property
    def store_folder(self) -> Path:
        """Folder of a store that is there, as whose owner we go on; BadInput when there is none."""
        folder = self.paths.store
        if not (folder / DATA_FILE).exists():
            raise BadInput(f"there is no store in {folder}; make one: xtramail init DIR, or name it with --store DIR")
        become_owner(folder)
        return folder

    @cached_property
    def engine(self) -> LmdbEngine:
        """The store, opened as its owner; closed when the command ends."""
        engine = LmdbEngine(self.store_folder, map_size=self.settings.store.map_size)
        click.get_current_context().call_on_close(engine.close)
        schema.open_format(engine)
        click.get_current_context().call_on_close(partial(self._note_changes, engine))
        return engine

    @property
    def changes_head(self) -> ChangesHead:
        return ChangesHead.beside(self.paths.keys)

    def _note_changes(self, engine: LmdbEngine) -> None:
        """How the log of changes ends after this command. Where that cannot be, ``audit verify`` and the server say
        so."""
        with suppress(OSError):
            self.changes_head.follow(engine)

    @cached_property
    def desk(self) -> Desk:
        """Where everything of the directory is asked for: who has the store's files may do everything."""
        return Desk(self.engine, Actor(role=Role.OPERATOR, name=self.who, how="command line"), self.clock)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys of passwords, read as the store's owner."""
        self.store_folder  # noqa: B018  # as root we become its owner here
        try:
            return load_keyring(self.paths.keys)
        except FileNotFoundError:
            raise BadInput(
                f"the password keys {self.paths.keys} are missing: restore that file from a backup, or name the "
                f"settings that tell where it is with --config FILE"
            ) from None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine of the inner layers."""
        return drive(coroutine)

    def now(self) -> float:
        return self.clock.now()

    @cached_property
    def who(self) -> str:
        """The person at the command line, for what is written down: who they were before sudo."""
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name

    def done(self, value: object, text: str) -> None:
        """What was done: ``value`` as JSON or ``text`` for people."""
        click.echo(json_text(value) if self.as_json else plain(text))

    def table(self, rows: Sequence[Mapping[str, object]], columns: Sequence[str], empty: str) -> None:
        """A list: the rows as JSON, or ``columns`` of them for people."""
        if self.as_json:
            click.echo(json_text(list(rows)))
            return
        if not rows:
            click.echo(plain(empty))
            return
        cells = [[cell(row.get(column)) for column in columns] for row in rows]
        if sys.stdout.isatty():
            load("xtramail.app.command.table").print_table(columns, cells)
            return
        # For scripts: tab-separated, one row a line, never wrapped; a tab within a cell was made visible.
        for line in (columns, *cells):
            click.echo("\t".join(line))

    def fields(self, value: Mapping[str, object]) -> None:
        """One object, a line a field."""
        if self.as_json:
            click.echo(json_text(value))
            return
        width = max(map(len, value), default=0)
        for name, one in value.items():
            click.echo(f"{name.ljust(width)}  {cell(one)}")


def settings_beside(store: Path) -> str | None:
    """The settings file of the installation that ``store`` is part of: beside the folder, and naming it."""
    beside = store.parent / CONFIG
    if not beside.is_file():
        return None
    try:
        found = load_settings(config=str(beside)).settings.store.path
    except ConfigError:
        return None
    return str(beside) if found.resolve() == store.resolve() else None


def cell(value: object) -> str:
    """One value on one line."""
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return cell([f"{one} {name}" for name, one in value.items() if one])
    if isinstance(value, list | tuple):
        return ", ".join(cell(one) for one in value) or "-"
    return plain(str(value)).replace("\n", "\\n")


def when(seconds: float) -> str | None:
    """UTC, ISO 8601; None for a time that is not set."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else None


def size_text(octets: float) -> str:
    """``1.5 GiB``."""
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if octets < 1024 or unit == "TiB":
            break
        octets /= 1024
    return f"{octets:.0f} B" if unit == "B" else f"{octets:.1f} {unit}"


def count_of(number: int, noun: str) -> str:
    """``1 message``, ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def password_from_stdin() -> str:
    """One line from standard input; BadInput when no client could send it."""
    line = sys.stdin.buffer.readline(_MOST_PASSWORD_OCTETS + 2).rstrip(b"\r\n")
    if not line:
        raise BadInput("password: give it as one line on standard input")
    if len(line) > _MOST_PASSWORD_OCTETS:
        raise BadInput(f"password: longer than {_MOST_PASSWORD_OCTETS} octets")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("password: not UTF-8 text; write it in that encoding") from None
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise BadInput("password: no control characters, which a mail program cannot send")
    return text


def sure(question: str, *, yes: bool) -> None:
    """Ask a person; a script is asked nothing. Abort when the answer is no."""
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
