"""How long one SMTP connection is waited for: a command, the text, the login, the handshake, the end.

Owns the timers of a connection. What is said when one has run out is the connection's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from xtramail.net.deadline import Deadline
from xtramail.net.smtp_pace import TextPace
from xtramail.net.smtp_service import SmtpTimes


class Late(Enum):
    """What did not happen in time."""

    COMMAND = auto()
    TEXT = auto()
    LOGIN = auto()
    HANDSHAKE = auto()
    CLOSE = auto()


class SmtpPatience:
    """``late`` is called with what did not happen; ``stressed`` says whether connections are scarce."""

    def __init__(
        self, reactor: Any, times: SmtpTimes, *, stressed: Callable[[], bool], late: Callable[[Late], None]
    ) -> None:
        self._reactor = reactor
        self._times = times
        self._stressed = stressed
        self._late = late
        self._step = Deadline(reactor, self._step_late)
        self._login = Deadline(reactor, lambda: late(Late.LOGIN))
        self._close = Deadline(reactor, lambda: late(Late.CLOSE))
        self._pace = TextPace(grace=times.rate_grace, octets_per_second=times.rate_octets)
        self._handshaking = False
        self._held_since: float | None = None

    def moved(self) -> None:
        """The peer has done something: its time runs anew. Octets of a command are not enough, only whole ones."""
        self._held_since = None
        self._handshaking = False
        if not self._pace.reading:
            self._step.set_in(self._times.stress if self._stressed() else self._times.command)
            return
        left = self._pace.left(self._reactor.seconds())
        self._step.set_in(self._times.command if left is None else min(left, self._times.command))

    def held(self) -> None:
        """We are busy ourselves: the peer's time stands still."""
        self._held_since = self._reactor.seconds()
        self._step.clear()

    def released(self) -> None:
        if self._held_since is not None and self._pace.reading:
            self._pace.held_up(self._reactor.seconds() - self._held_since)
        self.moved()

    def text_begins(self) -> None:
        self._pace.begin(self._reactor.seconds())

    def text_arrived(self, octets: int) -> None:
        """Nothing outside a text."""
        if self._pace.reading:
            self._pace.arrived(octets)
            if self._held_since is None:
                self.moved()

    def text_ends(self) -> None:
        self._pace.end()

    def handshake_begins(self) -> None:
        self._handshaking = True
        self._step.set_in(self._times.handshake)

    def login_wanted(self) -> None:
        """From now on, whatever the peer sends."""
        self._login.set_in(self._times.login)

    def login_done(self) -> None:
        self._login.stop()

    def closing(self) -> None:
        """Everything is said: the peer has a moment to take it."""
        self._step.clear()
        self._login.clear()
        self._close.set_in(self._times.close)

    def stop(self) -> None:
        """Leaves no timer behind."""
        for deadline in (self._step, self._login, self._close):
            deadline.stop()

    def _step_late(self) -> None:
        if self._handshaking:
            self._late(Late.HANDSHAKE)
        else:
            self._late(Late.TEXT if self._pace.reading else Late.COMMAND)
