"""The server side of one POP3 connection: lines in, events out; replies in, bytes out.

Owns the dialogue: order, logins, patience. Owns no maildrop, no transport and no clock.
"""

from __future__ import annotations

from xtramail.wire import sasl
from xtramail.wire.errors import MisuseError
from xtramail.wire.lines import LineBuffer, LineFault
from xtramail.wire.pop3 import replies
from xtramail.wire.pop3.commands import (
    COMMANDS,
    IDLE,
    BadArguments,
    Capabilities,
    Meaning,
    Mechanism,
    Nothing,
    Password,
    UserName,
    split,
)
from xtramail.wire.pop3.config import Pop3ServerConfig
from xtramail.wire.pop3.events import Answered, Event, LogIn, Need, Quit, Reset, StartTls, Waiting, multiline
from xtramail.wire.pop3.replies import Reply
from xtramail.wire.pop3.states import ORDER, State
from xtramail.wire.smtp.patience import Exhausted, Patience

_PAUSE_ABOVE = 64 * 1024

# Browsers can be made to post to a mail port (ALPACA); the first word of a request or of its fields gives them away.
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})


class Pop3ServerConnection:
    """``greeting`` once; then ``feed``, ``next_event``, ``send`` (and ``end_lines``), ``tls_started``."""

    def __init__(self, config: Pop3ServerConfig) -> None:
        self._config = config
        self._lines = LineBuffer()
        self._patience = Patience(
            errors_before_delay=config.errors_before_delay,
            errors_limit=config.errors_limit,
            idle_limit=config.idle_commands_limit,
        )
        self._state = State.AUTHORIZATION
        self._waiting: Waiting | None = None
        self._in_lines = False
        self._exchange: sasl.SaslServerExchange | None = None
        self._name = b""
        self.tls_active = config.tls_active
        self.close_reason = ""
        """Why the dialogue ended, for the log; empty while it has not."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def full(self) -> bool:
        """Over 64 KiB wait: pause the transport until ``next_event`` has taken them."""
        return len(self._lines) > _PAUSE_ABOVE

    def greeting(self) -> bytes:
        """What is said first (RFC 1939 §4). No timestamp: APOP would need passwords in clear."""
        return replies.GREETING.octets

    def feed(self, data: bytes) -> None:
        """Buffer what the peer sent; after the end it is dropped. Pause the transport while ``full``."""
        if self._state is not State.CLOSED:
            self._lines.feed(data)

    def next_event(self) -> Event | Need:
        """The next thing to act on. Never raises for anything the peer sent."""
        if self._waiting is not None or self._in_lines:
            return Need.REPLY
        if self._state is State.CLOSED:
            return Need.CLOSE
        if self._state is State.TLS:
            return Need.TLS
        line = self._lines.line()
        if line is None:
            return Need.DATA
        if isinstance(line, LineFault):
            return self._line_fault(line)
        if self._exchange is not None:
            return self._login_step(self._exchange, line)
        return self._command(line)

    def send(self, reply: Reply) -> bytes:
        """Answer the waiting event: the bytes to write. MisuseError when none waits.

        After a positive answer to an event that is ``multiline``, write its lines, then ``end_lines``.
        """
        if self._state is State.CLOSED:
            # Hung up meanwhile; the answer comes too late for anybody.
            return b""
        event = self._waiting
        if event is None:
            raise MisuseError("no event waits for a reply")
        self._waiting = None
        if isinstance(event, Quit):
            # RFC 1939 §6: whatever came of the deletions, the connection ends.
            self._close("quit")
        elif isinstance(event, StartTls):
            return self._answer_starttls(reply)
        elif isinstance(event, LogIn):
            self._state = State.TRANSACTION if reply.positive else State.AUTHORIZATION
            self._name = b""
        elif reply.positive:
            self._in_lines = multiline(event)
        if reply.positive and not isinstance(event, Reset):
            self._patience.progress()
        return reply.octets

    def end_lines(self) -> bytes:
        """The lines of a multi-line answer are written: what ends them."""
        if not self._in_lines:
            raise MisuseError("no lines are open")
        self._in_lines = False
        return replies.END

    def tls_started(self) -> None:
        """TLS is up: forgets all state and drops buffered bytes (RFC 2595 §4). MisuseError unless Need.TLS was said."""
        if self._state is not State.TLS:
            raise MisuseError("TLS was not asked for")
        self._lines.clear()
        self._state = State.AUTHORIZATION
        self._name = b""
        self.tls_active = True

    def hang_up(self, reply: Reply) -> bytes:
        """End from our side at any time: the bytes to write, none inside the lines of an answer. ``Need.CLOSE``
        follows."""
        if self._state is State.CLOSED:
            return b""
        octets = b"" if self._in_lines else reply.octets
        self._close(reply.text)
        return octets

    # Lines that came.

    def _command(self, line: bytes) -> Event | Need:
        verb, arguments = split(line)
        if verb in _HTTP or verb.endswith(":"):
            self._close("HTTP on a mail port")
            return Need.CLOSE
        parse = COMMANDS.get(verb)
        if parse is None:
            return self._error(replies.UNKNOWN)
        if verb not in ORDER[self._state]:
            self._forget_name()
            return self._error(replies.NOT_NOW)
        if verb in IDLE:
            self._patience.idle_command()
            if self._patience.exhausted is Exhausted.IDLE:
                return self._farewell(replies.TOO_MANY_IDLE)
        try:
            meaning = parse(arguments)
        except BadArguments as bad:
            self._forget_name()
            return self._error(bad.reply)
        return self._obey(meaning)

    def _obey(self, meaning: Meaning) -> Event:
        match meaning:
            case Capabilities():
                return Answered(
                    replies.capabilities(
                        tls_active=self.tls_active,
                        starttls=self._config.starttls,
                        logged_in=self._state is State.TRANSACTION,
                    )
                )
            case Nothing():
                return Answered(replies.DONE.octets)
            case UserName() | Password() | Mechanism() if not self.tls_active:
                return self._error(replies.TLS_FIRST)
            case UserName():
                self._name = meaning.octets
                self._state = State.NAMED
                return Answered(replies.NAME_TAKEN.octets)
            case Password():
                return self._password(meaning.octets)
            case Mechanism():
                return self._begin_login(meaning)
            case StartTls():
                return self._starttls(meaning)
            case Quit() if self._state is State.TRANSACTION:
                self._state = State.UPDATE
                return self._wait(Quit(update=True))
            case _:
                return self._wait(meaning)

    def _line_fault(self, fault: LineFault) -> Event:
        self._exchange = None
        self._forget_name()
        if fault is LineFault.TOO_LONG:
            return self._error(replies.TOO_LONG)
        return self._farewell(replies.TOO_LONG if fault is LineFault.ENDLESS else replies.BAD_OCTETS)

    # Logins.

    def _password(self, octets: bytes) -> Event:
        name, self._name = self._name, b""
        try:
            # One set of rules for names and passwords, whatever way they come.
            given = sasl.parse_plain(b"\0" + name + b"\0" + octets)
        except sasl.SaslError:
            self._state = State.AUTHORIZATION
            return self._error(replies.BAD_LOGIN_SYNTAX)
        return self._wait(LogIn(mechanism="USER", authcid=given.authcid, password=given.password))

    def _begin_login(self, asked: Mechanism) -> Event:
        self._forget_name()
        if not asked.name:
            return Answered(replies.mechanisms())
        if not sasl.known(asked.name):
            return self._error(replies.MECHANISM_UNKNOWN)
        exchange = sasl.SaslServerExchange(asked.name)
        return self._login_step(exchange, asked.initial, first=True)

    def _login_step(self, exchange: sasl.SaslServerExchange, line: bytes | None, *, first: bool = False) -> Event:
        self._exchange = None
        try:
            step = exchange.start(line) if first or line is None else exchange.respond(line)
        except sasl.SaslError:
            return self._error(replies.BAD_LOGIN_SYNTAX)
        match step:
            case sasl.Challenge():
                self._exchange = exchange
                return Answered(b"+ " + step.line + b"\r\n")
            case sasl.Credentials():
                return self._wait(LogIn(mechanism=step.mechanism, authcid=step.authcid, password=step.password))
            case sasl.Aborted():
                return self._error(replies.LOGIN_CANCELLED)

    def _forget_name(self) -> None:
        if self._state is State.NAMED:
            self._state = State.AUTHORIZATION
            self._name = b""

    # TLS.

    def _starttls(self, event: StartTls) -> Event:
        if self.tls_active:
            return self._error(replies.TLS_ALREADY)
        if not self._config.starttls:
            return self._error(replies.NOT_OFFERED)
        if self._lines:
            # What was sent in clear behind STLS must never be obeyed inside TLS.
            return self._farewell(replies.TLS_PIPELINED)
        return self._wait(event)

    def _answer_starttls(self, reply: Reply) -> bytes:
        if reply.positive and self._lines:
            self._close("plain text behind STLS")
            return replies.TLS_PIPELINED.octets
        if reply.positive:
            self._state = State.TLS
        return reply.octets

    # Answers, and changes of state.

    def _wait(self, event: Waiting) -> Waiting:
        self._waiting = event
        return event

    def _error(self, reply: Reply) -> Answered:
        delay = self._patience.error()
        if self._patience.exhausted is Exhausted.ERRORS:
            return Answered(self._farewell(replies.TOO_MANY_ERRORS).octets, delay)
        return Answered(reply.octets, delay)

    def _farewell(self, reply: Reply) -> Answered:
        self._close(reply.text)
        return Answered(reply.octets)

    def _close(self, reason: str) -> None:
        self.close_reason = self.close_reason or reason
        self._state = State.CLOSED
        self._waiting = None
        self._exchange = None
        self._in_lines = False
        self._name = b""
        self._lines.clear()
