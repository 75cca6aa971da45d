"""What every command works with: the settings, the store, and one way to say what came of it.

``--json`` prints one JSON value and nothing else on standard output. Exit codes: 0 done, 1 refused (the reason is on
standard error, or in the JSON), 2 usage.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

from xtramail.app.config import Loaded, load
from xtramail.app.paths import Paths
from xtramail.app.settings import Settings
from xtramail.directory.keyring import Keyring, load_keyring
from xtramail.model.clock import SystemClock
from xtramail.model.errors import BadInput, XtramailError
from xtramail.model.pending import drive
from xtramail.store import schema
from xtramail.store.lmdb_engine import LmdbEngine

T = TypeVar("T")


@dataclass
class Context:
    """Opens what a command needs when it needs it."""

    config: str | None = None
    store: str | None = None
    as_json: bool = False
    clock: SystemClock = field(default_factory=SystemClock)

    @cached_property
    def loaded(self) -> Loaded:
        options = {"store": self.store} if self.store is not None else {}
        return load(config=self.config, options=options, environ=os.environ)

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @cached_property
    def paths(self) -> Paths:
        return Paths.of(self.settings, self.loaded.file)

    @cached_property
    def engine(self) -> LmdbEngine:
        """The store, opened as its owner; BadInput when there is none."""
        folder = self.paths.store
        if not (folder / "data.mdb").exists():
            raise BadInput(f"there is no store in {folder}; make one: xtramail init DIR, or name it with --store DIR")
        become_owner(folder)
        engine = LmdbEngine(folder, map_size=self.settings.store.map_size)
        schema.open_format(engine)
        click.get_current_context().call_on_close(engine.close)
        return engine

    @cached_property
    def keyring(self) -> Keyring:
        try:
            return load_keyring(self.paths.keys)
        except FileNotFoundError:
            raise BadInput(
                f"the password keys {self.paths.keys} are missing; restore that file from a backup"
            ) from None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine of the inner layers."""
        return drive(coroutine)

    def now(self) -> float:
        return self.clock.now()

    def done(self, value: object, text: str) -> None:
        """What was done: ``value`` as JSON or ``text`` for people."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=False) if self.as_json else text)

    def table(self, rows: Sequence[Mapping[str, object]], columns: Sequence[str], empty: str) -> None:
        """A list: the rows as JSON, or ``columns`` of them for people."""
        if self.as_json:
            click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
            return
        if not rows:
            click.echo(empty)
            return
        if not sys.stdout.isatty():
            # For scripts: tab-separated, one row a line, never wrapped.
            click.echo("\t".join(columns))
            for row in rows:
                click.echo("\t".join(cell(row.get(column)).replace("\t", " ") for column in columns))
            return
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(cell(row.get(column)) for column in columns))
        Console().print(table, markup=False)

    def fields(self, value: Mapping[str, object]) -> None:
        """One object, a line a field."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2, ensure_ascii=False))
            return
        width = max(map(len, value), default=0)
        for name, one in value.items():
            click.echo(f"{name.ljust(width)}  {cell(one)}")


def cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value) or "-"
    return str(value)


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


def password_from_stdin() -> str:
    """One line from standard input; BadInput when it is empty."""
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise BadInput("password: give it as one line on standard input")
    return line


def become_owner(folder: Path) -> None:
    """Run as root, become the owner of the store before anything in it is opened: no file of root's stays behind."""
    if os.geteuid() != 0:
        return
    status = folder.stat()
    if status.st_uid == 0:
        return
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
        os.initgroups(name, status.st_gid)
    except KeyError:
        os.setgroups([])
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)


class Commands(click.Group):
    """A group whose commands report refusals in one way, whatever layer they come from."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except XtramailError as error:
            refuse(ctx, error.text)
        except PermissionError as error:
            refuse(ctx, f"{error.filename}: permission denied; run this as the owner of the store, or as root")

    def list_commands(self, ctx: click.Context) -> Iterable[str]:  # type: ignore[override]
        # In the order in which they were added, which is the order in which they are needed.
        return list(self.commands)


def refuse(ctx: click.Context, text: str) -> NoReturn:
    root = ctx.find_root().obj
    if isinstance(root, Context) and root.as_json:
        click.echo(json.dumps({"error": text}, ensure_ascii=False))
    else:
        click.echo(f"xtramail: {text}", err=True)
    ctx.exit(1)
