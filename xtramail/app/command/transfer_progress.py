"""How far a long piece of work is, on standard error, and how it is told to end early."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from xtramail.app.command.context import count_of, size_text

_OFTEN = 0.2
_SELDOM = 10.0
"""Seconds between two looks: of a person, and of a log."""


@dataclass
class Meter:
    """Messages, octets of all, and the time that is left."""

    total: int
    quiet: bool
    began: float = field(default_factory=time.monotonic)
    _told: float = 0.0
    _wide: int = 0

    def tell(self, messages: int, octets: int) -> None:
        now = time.monotonic()
        person = sys.stderr.isatty()
        if self.quiet or now - max(self._told, self.began) < (_OFTEN if person else _SELDOM):
            return
        self._told = now
        line = self.line(messages, octets, now)
        if person:
            click.echo("\r" + line.ljust(self._wide), nl=False, err=True)
            self._wide = len(line)
        else:
            click.echo(line, err=True)

    def line(self, messages: int, octets: int, now: float) -> str:
        """``now`` on the clock of ``began``."""
        done = f"{count_of(messages, 'message')}, {size_text(octets)} of {size_text(self.total)}"
        return done + self._left(octets, now)

    def _left(self, octets: int, now: float) -> str:
        if not 0 < octets < self.total:
            return ""
        seconds = round((now - self.began) * (self.total - octets) / octets)
        return f", {seconds // 60} min {seconds % 60:02d} s left"

    def end(self) -> None:
        """The line of a person is done with."""
        if self._wide:
            click.echo("\r" + " " * self._wide + "\r", nl=False, err=True)


class Interrupt:
    """Whether somebody wants it to end."""

    def __init__(self) -> None:
        self._wanted = False

    def __call__(self) -> bool:
        return self._wanted

    def want(self, *_signal: object) -> None:
        self._wanted = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """SIGINT and SIGTERM end the work at its next step in place of the process; a second SIGINT ends that, too."""
    interrupt = Interrupt()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def caught(*_signal: object) -> None:
        interrupt.want()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in before:
        signal.signal(number, caught)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
