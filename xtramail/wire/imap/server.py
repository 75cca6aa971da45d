"""One IMAP client's connection, sans-IO: bytes in, commands out; answers in, bytes out.

Owns order, state and what needs no mailbox: syntax errors, unknown commands, literals, SASL, limits. Does not own
sockets, TLS, clocks (deadlines are the adapter's) nor what a command does (``mailbox``).

Use::

    transport.write(connection.greeting())
    connection.feed(octets)
    while True:
        event = connection.next_event()
        if event is Need.DATA or event is Need.REPLY: break
        if event is Need.TLS: start TLS; connection.tls_started(); break
        if event is Need.CLOSED: close; break
        if isinstance(event, Answered): transport.write(event.octets)
        else: ...      # a Command: write untagged answers, then transport.write(connection.send(ok(...)))
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from xtramail.wire.errors import MisuseError
from xtramail.wire.imap import commands, reader, responses
from xtramail.wire.imap.authentication import Authentication, read_authenticate
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.config import ImapServerConfig
from xtramail.wire.imap.connection_facts import ConnectionFacts
from xtramail.wire.imap.events import Answered, Event, LiteralAborted, LiteralChunk, LiteralEnd, Need
from xtramail.wire.imap.faults import BadSyntax, Declined
from xtramail.wire.imap.heads import is_http, tag_and_word, tag_of
from xtramail.wire.imap.lexer import Cursor
from xtramail.wire.imap.literal_rules import (
    Offer,
    Refuse,
    Take,
    decide_command_literal,
    decide_message_literal,
    decide_next_literal,
    is_message_command,
)
from xtramail.wire.imap.parser import READERS
from xtramail.wire.imap.states import State
from xtramail.wire.imap.status import Outcome, Tagged, bad, no


class _Phase(Enum):
    """What the next octets, or our next answer, are."""

    COMMAND = "command"
    REPLY = "reply"
    OFFERED = "offered"
    """A message or IDLE told: accept or send."""
    STREAM = "stream"
    SASL = "sasl"
    IDLE = "idle"
    TLS = "tls"
    CLOSED = "closed"


class ImapServerConnection(ConnectionFacts):
    """See the module's docstring. Raises ``MisuseError`` only when called out of order; peers cannot make it raise."""

    def __init__(self, config: ImapServerConfig) -> None:
        super().__init__(config)
        self._out: deque[Event] = deque()
        self._start()

    def _start(self) -> None:
        self._phase = _Phase.COMMAND
        self._command = None
        self._sasl: Authentication | None = None
        self._literal_tag = b""
        self._refusal = b""
        self._offered: Offer | None = None
        self._synchronizing = False
        self._first_line = True
        self._reader.line_limit = self._limits.line_before_login
        self._reader.swallow_limit = self._limits.swallow_before_login

    @property
    def idling(self) -> bool:
        """IDLE was accepted and not ended: untagged updates may be sent at any time."""
        return self._phase is _Phase.IDLE

    def feed(self, data: bytes) -> None:
        """Buffer only."""
        if self._phase is not _Phase.CLOSED:
            self._reader.feed(data)

    def next_event(self) -> Event | Need:
        """The next thing to do. ``Need.REPLY`` until the command under way is answered: pipelined ones wait."""
        while not self._out:
            phase = self._phase
            if phase is _Phase.CLOSED:
                return Need.CLOSED
            if phase is _Phase.REPLY or phase is _Phase.OFFERED:
                return Need.REPLY
            if phase is _Phase.TLS:
                return Need.TLS
            frame = self._reader.next(literals=phase is _Phase.COMMAND or phase is _Phase.STREAM)
            if frame is None:
                return Need.DATA
            event = self._frame(frame)
            if event is not None:
                return event
        return self._out.popleft()

    # Answers

    def accept(self, text: str = "Go ahead") -> bytes:
        """Of APPEND: have its literal; of IDLE: begin. Gives the ``+`` line (empty for a non-synchronizing literal)."""
        if self._phase is not _Phase.OFFERED:
            raise MisuseError("nothing waits to be accepted")
        if isinstance(self._command, commands.Idle):
            self._phase = _Phase.IDLE
            return b"+ idling\r\n"
        self._reader.stream()
        self._phase = _Phase.STREAM
        return b"+ " + text.encode("ascii") + b"\r\n" if self._synchronizing else b""

    def send(self, answer: Tagged) -> bytes:
        """Complete the command under way; changes the state as its outcome says. Untagged answers need no call: they
        are written directly (``responses``), before this."""
        command = self._command
        if command is None or self._phase not in (_Phase.REPLY, _Phase.OFFERED):
            raise MisuseError("no command waits for an answer")
        if self._phase is _Phase.OFFERED and self._offered is not None:
            if answer.outcome is Outcome.OK:
                raise MisuseError("an APPEND that was not accepted cannot be OK")
            self._reader.refuse(allowance=self._offered.command.size)
        self._offered = None
        octets = responses.tagged(command.tag, answer)
        self._command = None
        self._phase = _Phase.COMMAND
        state = self._standing.answered(command, answer.outcome)
        if answer.outcome is Outcome.OK and self._standing.state is not State.NOT_AUTHENTICATED:
            # A connection lives for days: a client that errs now and then is no flood.
            self._errors = 0
        if state is State.LOGOUT:
            self._close()
        elif state is State.AUTHENTICATED and isinstance(command, (commands.Login, commands.Authenticate)):
            self._reader.line_limit = self._limits.line
            self._reader.swallow_limit = self._limits.swallow
        elif isinstance(command, commands.StartTls) and answer.outcome is Outcome.OK:
            self._phase = _Phase.TLS
        return octets

    def tls_started(self) -> None:
        """TLS is active: drop every octet buffered before it (RFC 3501 §6.2.1), back to not authenticated."""
        if self._phase is not _Phase.TLS:
            raise MisuseError("STARTTLS was not answered OK")
        self._reader.clear()
        self._standing.tls_active = True
        self._standing.restart()
        self._start()

    def close(self, text: str, code: bytes = b"") -> bytes:
        """``* BYE text`` (autologout, shutdown): nothing is read any more. Empty when it was closed before."""
        if self._phase is _Phase.CLOSED:
            return b""
        self._close()
        return responses.bye(text, code)

    def _close(self) -> None:
        self._standing.enter(State.LOGOUT)
        self._phase = _Phase.CLOSED
        self._command = None
        self._reader.clear()

    # Frames

    def _frame(self, frame: reader.Frame) -> Event | None:
        if isinstance(frame, reader.Whole):
            if self._phase is _Phase.COMMAND:
                return self._whole(frame.octets)
            return self._idle_line(frame.octets) if self._sasl is None else self._sasl_line(self._sasl, frame.octets)
        if isinstance(frame, reader.Chunk):
            return LiteralChunk(frame.octets)
        if isinstance(frame, reader.Asked):
            return self._asked(frame)
        if isinstance(frame, reader.Streamed):
            if self._offered is None or frame.rest != self._offered.closing:
                return self._aborted("Unexpected text after the literal")
            self._phase = _Phase.REPLY
            return LiteralEnd(self._under_way().tag)
        if isinstance(frame, reader.Faulty):
            return self._faulty(frame)
        if isinstance(frame, reader.Skipped):
            refusal, self._refusal = self._refusal, b""
            return Answered(refusal) if refusal else None
        return self._flood(frame.reason)

    def _under_way(self) -> Command:
        if self._command is None:
            raise MisuseError("no command is under way")
        return self._command

    def _whole(self, line: bytes) -> Event | None:
        head = tag_and_word(line)
        if self._first_line:
            if is_http(line):
                self._close()
                return None
            self._first_line = False
        if head is None:
            return self._bad(tag_of(line), "Write a tag, a space and a command")
        tag, word, at = head
        fault = self._standing.out_of_place(word)
        if fault is not None:
            return self._counted(tag, fault)
        cursor = Cursor(line, at, self._limits.atoms)
        try:
            if word == b"AUTHENTICATE":
                return self._authenticate(cursor, tag)
            read = READERS.get(word)
            if read is None:
                raise BadSyntax("Expected a mailbox and the message as a literal")
            command = read(cursor, tag, self._standing.rules)
        except BadSyntax as error:
            return self._bad(tag, error.text)
        except Declined as error:
            refusal = no(error.text, error.code)
            return Answered(responses.tagged(tag, refusal)) if word != b"AUTHENTICATE" else self._counted(tag, refusal)
        self._command = command
        self._phase = _Phase.OFFERED if isinstance(command, commands.Idle) else _Phase.REPLY
        return command

    # Literals

    def _asked(self, frame: reader.Asked) -> Event | None:
        if self._phase is _Phase.STREAM:
            return self._next_asked(frame)
        if frame.octets:
            self._first_line = False
            head = tag_and_word(frame.octets)
            if head is None:
                return self._refuse(tag_of(frame.octets), Refuse(bad("Malformed command"), counted=True))
            tag, word, at = head
            fault = self._standing.out_of_place(word)
            if fault is not None:
                return self._refuse(tag, Refuse(fault, counted=True))
            self._literal_tag = tag
        else:
            tag, word, at = self._literal_tag, b"", 0
        if is_message_command(word, frame.octets, at):
            decision = decide_message_literal(frame, tag, word, at, self._standing.rules)
        else:
            before_login = self._standing.state is State.NOT_AUTHENTICATED
            decision = decide_command_literal(frame, self._standing.rules, before_login=before_login)
        if isinstance(decision, Take):
            self._reader.take()
            return Answered(b"+ Go ahead\r\n") if frame.synchronizing else None
        if isinstance(decision, Offer):
            self._command = decision.command
            return self._offer(frame, decision)
        if isinstance(decision, Refuse):
            return self._refuse(tag, decision)
        self._close()
        answer = b"" if decision.answer is None else responses.tagged(tag, decision.answer)
        return Answered(answer + responses.bye(decision.text, decision.code))

    def _offer(self, frame: reader.Asked, decision: Offer) -> Event:
        self._synchronizing = frame.synchronizing
        self._phase = _Phase.OFFERED
        self._offered = decision
        return decision.command

    def _next_asked(self, frame: reader.Asked) -> Event | None:
        """Behind a message one more is announced (RFC 3502); to refuse it is to refuse the command."""
        tag = self._under_way().tag
        closing = b"" if self._offered is None else self._offered.closing
        decision = decide_next_literal(frame, tag, closing, self._standing.rules)
        if isinstance(decision, Offer):
            return self._offer(frame, decision)
        if not isinstance(decision, Refuse):
            return self._flood("Literal is not allowed")
        self._command = self._offered = None
        self._phase = _Phase.COMMAND
        self._out.append(LiteralAborted(tag))
        # It may have been one error too many; then its answer is the end.
        last = self._refuse(tag, decision)
        if last is not None:
            self._out.append(last)
        return self._out.popleft()

    def _refuse(self, tag: bytes, decision: Refuse) -> Event | None:
        """Answer instead of "+"; a literal that comes unasked is read past first."""
        answer = responses.tagged(tag, decision.answer)
        if decision.counted:
            answer = self._count(answer)
            if self._phase is _Phase.CLOSED:
                return Answered(answer)
        self._refusal = answer
        self._reader.refuse(decision.allowance)
        return None

    # Faults

    def _faulty(self, frame: reader.Faulty) -> Event | None:
        if self._phase is _Phase.STREAM:
            return self._aborted(frame.reason)
        if self._sasl is not None:
            return self._sasl_over(self._sasl, frame.reason)
        if self._phase is _Phase.IDLE:
            return self._flood(frame.reason)
        if self._first_line and is_http(frame.head):
            self._close()
            return None
        self._first_line = False
        return self._bad(tag_of(frame.head), frame.reason)

    def _aborted(self, reason: str) -> Event:
        """BAD for a command whose message is here already."""
        tag = self._under_way().tag
        self._command = self._offered = None
        self._phase = _Phase.COMMAND
        self._out.append(self._bad(tag, reason))
        return LiteralAborted(tag)

    def _flood(self, reason: str, code: bytes = b"") -> Event:
        """Not worth reading past: BYE and close."""
        farewell = Answered(responses.bye(reason, code))
        aborted = LiteralAborted(self._under_way().tag) if self._phase is _Phase.STREAM else None
        self._close()
        if aborted is None:
            return farewell
        self._out.append(farewell)
        return aborted

    def _bad(self, tag: bytes, text: str) -> Event:
        return self._counted(tag, bad(text))

    def _counted(self, tag: bytes, answer: Tagged) -> Event:
        return Answered(self._count(responses.tagged(tag, answer)))

    def _count(self, answer: bytes) -> bytes:
        """Count an error; the last one that is borne ends the connection."""
        self._errors += 1
        if self._errors < self._limits.errors:
            return answer
        self._close()
        return answer + responses.bye("Too many errors")

    # SASL and IDLE

    def _authenticate(self, cursor: Cursor, tag: bytes) -> Event:
        dialogue, initial = read_authenticate(cursor, tag, self._config.mechanisms, self._standing.rules.offered)
        return self._authenticated(dialogue, dialogue.start(initial))

    def _sasl_line(self, dialogue: Authentication, line: bytes) -> Event:
        try:
            return self._authenticated(dialogue, dialogue.respond(line))
        except BadSyntax as error:
            return self._sasl_over(dialogue, error.text)

    def _authenticated(self, dialogue: Authentication, step: bytes | Command) -> Event:
        if isinstance(step, bytes):
            self._sasl = dialogue
            self._phase = _Phase.SASL
            return Answered(step)
        self._sasl = None
        self._command = step
        self._phase = _Phase.REPLY
        return step

    def _sasl_over(self, dialogue: Authentication, text: str) -> Event:
        self._sasl = None
        self._phase = _Phase.COMMAND
        return self._bad(dialogue.tag, text)

    def _idle_line(self, line: bytes) -> Event:
        """``DONE`` (RFC 2177 §3); anything else ends IDLE too, with BAD: commands may not come before DONE."""
        tag = self._under_way().tag
        if line.upper() == b"DONE":
            self._phase = _Phase.REPLY
            self._command = commands.Done(tag=tag)
            return self._command
        self._phase = _Phase.COMMAND
        self._command = None
        return self._bad(tag, "Expected DONE")
