"""What can be asked of an IMAP connection at any time; nothing here moves it on.

Owns the greeting and what is told of capabilities. The dialogue is ``server``'s.
"""

from __future__ import annotations

from xtramail.wire.errors import MisuseError
from xtramail.wire.imap import commands, responses
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.reader import CommandReader
from xtramail.wire.imap.standing import Standing
from xtramail.wire.imap.states import State


class ConnectionFacts:
    """The half of ``ImapServerConnection`` that only looks."""

    def __init__(self, config: ImapServerConfig) -> None:
        self._config = config
        self._limits = config.limits
        self._standing = Standing(config)
        self._reader = CommandReader(line=0, swallow=0, chunk=config.limits.chunk)
        self._command: Command | None = None
        self._errors = 0
        self._greeted = False

    @property
    def state(self) -> State:
        return self._standing.state

    @property
    def tls_active(self) -> bool:
        return self._standing.tls_active

    @property
    def enabled(self) -> frozenset[str]:
        """Capabilities switched on by ENABLE, or by using CONDSTORE or QRESYNC syntax (RFC 7162 §3.1)."""
        return self._standing.enabled

    @property
    def tag(self) -> bytes:
        """Of the command under way; empty when there is none."""
        return b"" if self._command is None else self._command.tag

    @property
    def buffered(self) -> int:
        """Octets fed and not yet consumed; above 64 KiB the adapter pauses its transport."""
        return self._reader.buffered

    @property
    def errors(self) -> int:
        """Syntax errors so far; from ten on the adapter delays its answers by a second each."""
        return self._errors

    def greeting(self, text: str = "xtramail ready") -> bytes:
        """``* OK [CAPABILITY ...] text``; once, first."""
        if self._greeted:
            raise MisuseError("greeted already")
        self._greeted = True
        return responses.ok(text, responses.capability_code(self.capabilities()))

    def capabilities(self) -> tuple[str, ...]:
        """What CAPABILITY tells in this state; while a login is under way, in the state its OK leads to: put it into
        that OK (``responses.capability_code``)."""
        logging_in = isinstance(self._command, (commands.Login, commands.Authenticate))
        return self._standing.capabilities(logging_in=logging_in)

    def capability_line(self) -> bytes:
        """``* CAPABILITY ...``: the untagged answer."""
        return responses.capability(self.capabilities())

    def mask(self, hidden: frozenset[str]) -> None:
        """Hide capabilities (names in capitals) from this client, from now on and until TLS begins."""
        self._standing.mask(hidden)

    @property
    def offered(self) -> frozenset[str]:
        """Capabilities that this client may use once it has logged in."""
        return self._standing.offered
