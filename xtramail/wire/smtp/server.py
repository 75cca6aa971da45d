"""The server side of one SMTP connection: lines in, events out; replies in, bytes out.

Owns the dialogue as a whole; what a command means is in ``commands``, what may follow what in ``order``, the passage
of a message's text in ``text_intake``. Owns no policy, no transport and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from xtramail.model.outcome import Reply
from xtramail.wire import sasl
from xtramail.wire.errors import MisuseError
from xtramail.wire.lines import LineBuffer, LineFault
from xtramail.wire.smtp import codes
from xtramail.wire.smtp.commands import COMMANDS, HTTP, IDLE, LINE_FAULTS, ChunkCame, LoginBegun, Spoilt
from xtramail.wire.smtp.events import (
    Answered,
    Auth,
    AuthAborted,
    Connected,
    DataEnd,
    DataRefused,
    DataStart,
    Event,
    Hello,
    MailFrom,
    Need,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Waiting,
)
from xtramail.wire.smtp.grammar import BadCommand, split_command
from xtramail.wire.smtp.order import ORDER, State
from xtramail.wire.smtp.patience import Exhausted, Patience
from xtramail.wire.smtp.replies import render
from xtramail.wire.smtp.server_config import Role, SmtpServerConfig
from xtramail.wire.smtp.session import Session
from xtramail.wire.smtp.text_intake import ChunkAnswer, Complete, TextIntake, Void
from xtramail.wire.smtp.usual import POSITIVE, hello_reply, usual_reply

__all__ = ["Role", "SmtpServerConfig", "SmtpServerConnection"]

_PAUSE_ABOVE = 64 * 1024


class SmtpServerConnection:
    """Four verbs: ``feed``, ``next_event``, ``send``, ``tls_started``.

    The adapter's loop: call ``next_event`` until it returns a Need, feeding when it is Need.DATA. Write the
    ``octets`` of ``Answered`` and ``DataRefused`` and the result of ``send``, first waiting ``delay`` seconds. The
    first event, before any octet, is ``Connected``.
    """

    def __init__(self, config: SmtpServerConfig) -> None:
        self._config = config
        self._session = Session(config)
        self._lines = LineBuffer()
        self._text = TextIntake(self._lines, config.size_limit)
        self._patience = Patience(
            errors_before_delay=config.errors_before_delay,
            errors_limit=config.errors_limit,
            idle_limit=config.idle_commands_limit,
        )
        self._waiting: Waiting | None = None
        self._exchange: sasl.SaslServerExchange | None = None
        self._chunk = ChunkCame(octets=0, last=False, refusal=None)
        self._auth_failures = 0
        self._delay = 0.0
        self.close_reason = ""
        """Why the dialogue ended, for the log; empty while it has not."""

    # What an adapter may look at.

    @property
    def full(self) -> bool:
        """Over 64 KiB wait: pause the transport until ``next_event`` has taken them."""
        return len(self._lines) > _PAUSE_ABOVE

    @property
    def delay(self) -> float:
        """Seconds to hold back the bytes given last (``send``, ``Answered``, ``DataRefused``), parsing nothing
        meanwhile.
        """
        return self._delay

    @property
    def hello_name(self) -> str:
        """As in ``Hello.name``; empty before it."""
        return self._session.hello_name

    @property
    def protocol(self) -> str:
        """``with`` of a trace header: SMTP, ESMTPS, UTF8SMTPSA ...; SMTPUTF8 shows until DataEnd is answered."""
        return self._session.protocol

    # The four verbs, and the way out.

    def feed(self, data: bytes) -> None:
        """Buffer what the peer sent; after the end it is dropped. Pause the transport while ``full``."""
        if self._session.state is not State.CLOSED:
            self._lines.feed(data)

    def next_event(self) -> Event | Need:
        """The next thing to act on. Never raises for anything the peer sent."""
        if self._waiting is not None:
            return Need.REPLY
        match self._session.state:
            case State.CLOSED:
                return Need.CLOSE
            case State.TLS:
                return Need.TLS
            case State.CONNECTED:
                return self._wait(Connected())
        if self._text.reading:
            return self._text_step()
        line = self._lines.line()
        if line is None:
            return Need.DATA
        if isinstance(line, LineFault):
            return self._line_fault(line)
        if self._exchange is not None:
            return self._login_step(self._exchange, line)
        return self._command(line)

    def send(self, reply: Reply) -> bytes:
        """Answer the waiting event; the bytes to write (``b""`` for BDAT's DataStart). A 421 ends the connection.

        MisuseError when nothing waits, or the code cannot answer that event. The bytes may carry another reply than
        the one given: 421 when the peer has made too many errors, 554 when something follows STARTTLS, the extensions
        for EHLO.
        """
        if self._session.state is State.CLOSED:
            # Hung up meanwhile; the answer comes too late for anybody.
            return b""
        event = self._waiting
        if event is None:
            raise MisuseError("no event waits for a reply")
        positive = reply.code in POSITIVE[type(event)]
        if not positive and not 400 <= reply.code < 600:
            raise MisuseError(f"{reply.code} cannot answer {type(event).__name__}")
        self._waiting = None
        self._delay = 0.0
        if reply.code == 421:
            self._close("421 from our side")
            return render(reply)
        answers = self._session.answers if isinstance(event, DataEnd) else 1
        sent = self._accept(event, reply) if positive else self._refuse(event, reply)
        return render(sent) * answers if sent is not None else b""

    def send_each(self, replies: Sequence[Reply]) -> bytes:
        """Answer DataEnd of LMTP: a reply for each recipient that was taken, in their order (RFC 2033 §4.2).

        ``send`` gives all of them the same. MisuseError where their number is another.
        """
        if self._session.state is State.CLOSED:
            return b""
        if not isinstance(self._waiting, DataEnd) or len(replies) != self._session.answers:
            raise MisuseError(f"{len(replies)} replies for {self._session.answers} recipients")
        best = min(replies, key=lambda reply: reply.code)
        self.send(best)
        return b"".join(map(render, replies))

    def usual_reply(self, event: Waiting) -> Reply:
        """What to ``send`` when policy has nothing to say: the positive answer (501 for AuthAborted)."""
        return usual_reply(event, self._config, tls_active=self._session.tls_active)

    def tls_started(self) -> None:
        """TLS is up: forgets all state and drops buffered bytes (RFC 3207 §4.2). MisuseError unless Need.TLS was
        said.
        """
        if self._session.state is not State.TLS:
            raise MisuseError("TLS was not asked for")
        self._lines.clear()
        self._start_over()
        self._session.tls_started()

    def trust(self) -> None:
        """The peer is known by what the engine does not see (address, certificate): it need not log in to send."""
        self._session.trusted = True

    def hang_up(self, reply: Reply) -> bytes:
        """End from our side at any time (421 on time-out or drain): the bytes to write; ``Need.CLOSE`` follows."""
        if self._session.state is State.CLOSED:
            return b""
        self._close("hung up")
        return render(reply)

    # Lines that came.

    def _command(self, line: bytes) -> Event | Need:
        verb, arguments = split_command(line)
        if verb in HTTP or verb.endswith(":"):
            self._close("HTTP on a mail port")
            return Need.CLOSE
        command = COMMANDS.get(verb)
        if command is None:
            return self._answer("", codes.UNKNOWN_COMMAND)
        if verb in IDLE:
            self._patience.idle_command()
            if self._patience.exhausted is Exhausted.IDLE:
                return self._answer(verb, codes.too_many_idle_commands(self._config.hostname))
        try:
            meaning = command(self._session, arguments, len(self._lines) > 0)
        except BadCommand as bad:
            self._session.declined += verb == "RCPT"
            return self._answer(verb, bad.reply, closing=bad.closing)
        match meaning:
            case Reply():
                return self._answer(verb, meaning)
            case LoginBegun():
                return self._login_step(sasl.SaslServerExchange(meaning.mechanism), meaning.initial, first=True)
            case ChunkCame():
                return self._chunk_came(meaning)
            case Spoilt():
                return self._refuse_text(Void(reply=meaning.reply, state=State.SPOILT))
            case Hello() | Reset():
                # Void from here on, whatever is answered; so it is for the adapter.
                self._start_over()
                return self._wait(meaning)
            case _:
                return self._wait(meaning)

    def _line_fault(self, fault: LineFault) -> Event:
        self._exchange = None
        reply, closing = LINE_FAULTS[fault]
        return self._answer("", reply, closing=closing)

    def _login_step(self, exchange: sasl.SaslServerExchange, line: bytes | None, *, first: bool = False) -> Event:
        self._exchange = None
        try:
            step = exchange.start(line) if first or line is None else exchange.respond(line)
        except sasl.SaslError:
            return self._answer("AUTH", codes.AUTH_MALFORMED)
        match step:
            case sasl.Challenge():
                self._exchange = exchange
                return self._answer("AUTH", Reply.of(334, "", step.line.decode("ascii")))
            case sasl.Credentials():
                return self._wait(Auth(mechanism=step.mechanism, authcid=step.authcid, password=step.password))
            case sasl.Aborted():
                return self._wait(AuthAborted())
            case _:
                assert_never(step)

    # Text that came.

    def _chunk_came(self, chunk: ChunkCame) -> Event | Need:
        if chunk.refusal is not None:
            self._text.refuse_chunk(chunk.octets, chunk.refusal)
        elif self._text.chunking:
            self._text.open_chunk(chunk.octets, last=chunk.last)
        else:
            self._chunk = chunk
            return self._wait(DataStart(chunking=True))
        return self._text_step()

    def _text_step(self) -> Event | Need:
        step = self._text.step()
        match step:
            case Complete():
                return self._wait(DataEnd(size=step.size))
            case Void():
                return self._refuse_text(step)
            case ChunkAnswer():
                return self._answer("BDAT", step.reply)
            case _:
                return step

    def _refuse_text(self, void: Void) -> Event:
        # A chunk that is not the last gets one reply, whoever the message is for.
        answers = 1 if void.state is State.SPOILT else self._session.answers
        self._start_over()
        self._session.state = void.state
        sent = self._counted(void.reply)
        if void.state is State.CLOSED:
            self._close(f"message refused: {void.reply.text}")
        return DataRefused(reply=sent, octets=render(sent) * answers, delay=self._delay)

    # Replies that came.

    def _accept(self, event: Waiting, reply: Reply) -> Reply | None:
        session = self._session
        match event:
            case Connected():
                session.state = State.GREETED
            case Hello():
                session.hello_name, session.extended = event.name, event.extended
                self._follow("EHLO")
                if event.extended:
                    return hello_reply(self._config, extended=True, tls_active=session.tls_active)
            case MailFrom():
                self._follow("MAIL")
                session.smtputf8 = event.path.smtputf8
            case RcptTo():
                self._follow("RCPT")
                session.accepted += 1
            case DataStart(chunking=True):
                self._follow("BDAT")
                self._text.open_chunk(self._chunk.octets, last=self._chunk.last)
                return None
            case DataStart():
                self._follow("DATA")
                self._text.open_dotted()
            case DataEnd():
                self._patience.progress()
                self._start_over()
            case StartTls():
                if self._lines:
                    # RFC 3207 §6: what was sent in clear behind STARTTLS must never be obeyed inside TLS.
                    self._close("plain text behind STARTTLS")
                    return codes.TLS_PIPELINED
                self._follow("STARTTLS")
            case Auth():
                session.authenticated = event.authcid
                self._patience.progress()
            case Quit():
                self._close("quit")
            case AuthAborted() | Reset():
                pass
            case _:
                assert_never(event)
        return reply

    def _refuse(self, event: Waiting, reply: Reply) -> Reply | None:
        match event:
            case Connected() | Quit():
                self._close("turned away" if isinstance(event, Connected) else "quit")
            case Hello() | MailFrom() | RcptTo():
                self._session.declined += isinstance(event, RcptTo)
                # Those who have logged in may have old address books.
                return reply if self._session.authenticated else self._counted(reply)
            case AuthAborted():
                return self._counted(reply)
            case DataStart(chunking=True):
                self._start_over()
                self._session.state = State.READY if self._chunk.last else State.SPOILT
                self._text.refuse_chunk(self._chunk.octets, reply)
                return None
            case DataStart():
                self._start_over()
                if self._lines:
                    # The text came without waiting for the go-ahead; it must not be obeyed as commands.
                    self._close("text before the go-ahead")
            case DataEnd():
                self._start_over()
            case Auth():
                self._auth_failures += reply.code >= 500
                if self._auth_failures >= self._config.auth_failures_limit:
                    self._close("too many failed logins")
            case StartTls() | Reset():
                pass
            case _:
                assert_never(event)
        return reply

    # Answers, and changes of state.

    def _wait(self, event: Waiting) -> Waiting:
        self._waiting = event
        return event

    def _counted(self, reply: Reply) -> Reply:
        """``reply``, or the 421 that ends the peer's last chance; sets ``delay``."""
        self._delay = self._patience.error() if reply.code >= 500 else 0.0
        if self._patience.exhausted is Exhausted.ERRORS:
            reply = codes.too_many_errors(self._config.hostname)
        if reply.code == 421:
            self._close("too many errors or idle commands")
        return reply

    def _answer(self, verb: str, reply: Reply, closing: str = "") -> Answered:
        """``closing`` is why the dialogue ends with this answer; empty when it goes on."""
        sent = self._counted(reply)
        if closing:
            self._close(closing)
        return Answered(command=verb, reply=sent, octets=render(sent), delay=self._delay)

    def _follow(self, verb: str) -> None:
        self._session.state = ORDER[self._session.state][verb]

    def _start_over(self) -> None:
        self._session.start_over()
        self._text.forget()

    def _close(self, reason: str) -> None:
        self.close_reason = self.close_reason or reason
        self._session.state = State.CLOSED
        self._waiting = None
        self._lines.clear()
