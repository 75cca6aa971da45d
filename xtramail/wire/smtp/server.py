"""The server side of one SMTP connection: lines in, events out; replies in, bytes out.

Owns the dialogue: which command may come when (``order``), what is answered without asking anyone (``codes``), and the
passage of a message's text (``dotted``, ``chunked``). Owns no policy, no transport and no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from xtramail.model.outcome import Reply
from xtramail.wire import sasl
from xtramail.wire.errors import MisuseError
from xtramail.wire.lines import LineBuffer, LineFault
from xtramail.wire.smtp import codes, grammar
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
from xtramail.wire.smtp.order import ANYTIME, ORDER, State, out_of_order
from xtramail.wire.smtp.patience import Exhausted, Patience
from xtramail.wire.smtp.replies import render
from xtramail.wire.smtp.server_config import Role, SmtpServerConfig
from xtramail.wire.smtp.text_intake import ChunkAnswer, Complete, TextIntake, Void
from xtramail.wire.smtp.usual import POSITIVE, hello_reply, usual_reply

__all__ = ["Role", "SmtpServerConfig", "SmtpServerConnection"]

_PAUSE_ABOVE = 64 * 1024

# Browsers can be made to post to a mail port (ALPACA); the first word of a request or of its header lines gives them away.
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"})


class SmtpServerConnection:
    """Four verbs: ``feed``, ``next_event``, ``send``, ``tls_started``.

    The adapter's loop: call ``next_event`` until it returns a Need, feeding when it is Need.DATA. Write the ``octets`` of
    ``Answered`` and ``DataRefused`` and the result of ``send``, first waiting ``delay`` seconds. The first event, before any
    octet, is ``Connected``.
    """

    def __init__(self, config: SmtpServerConfig) -> None:
        self._config = config
        self._state = State.CONNECTED
        self._lines = LineBuffer()
        self._text = TextIntake(self._lines, config.size_limit)
        self._patience = Patience(
            errors_before_delay=config.errors_before_delay,
            errors_limit=config.errors_limit,
            idle_limit=config.idle_commands_limit,
        )
        self._waiting: Waiting | None = None
        self._delay = 0.0
        self._auth_failures = 0
        self.close_reason = ""
        """Why the dialogue ended, for the log; empty while it has not."""
        self.tls_active = config.tls_active
        self._forget_session()

    def _forget_session(self) -> None:
        self.hello_name = ""
        """As in ``Hello.name``; empty before it."""
        self.extended = False
        """The peer said EHLO."""
        self.authenticated = ""
        """The authcid of the login, empty before it."""
        self._exchange: sasl.SaslServerExchange | None = None
        self._start_over()

    def _start_over(self) -> None:
        """No transaction: what was open is void (RFC 5321 §4.1.4)."""
        self._smtputf8 = False
        self._accepted = 0
        self._declined = 0
        self._text.forget()
        self._chunk = (0, False)
        if self._state is not State.CONNECTED:
            self._state = State.READY if self.hello_name else State.GREETED

    # The four verbs, and what an adapter may look at.

    def feed(self, data: bytes) -> None:
        """Buffer what the peer sent; after the end it is dropped. Pause the transport while ``full``."""
        if self._state is not State.CLOSED:
            self._lines.feed(data)

    @property
    def full(self) -> bool:
        """Over 64 KiB wait: pause the transport until ``next_event`` has taken them."""
        return len(self._lines) > _PAUSE_ABOVE

    @property
    def delay(self) -> float:
        """Seconds to hold back the bytes given last (``send``, ``Answered``, ``DataRefused``), parsing nothing meanwhile."""
        return self._delay

    @property
    def protocol(self) -> str:
        """What a trace header says after "with" (RFC 3848, RFC 6531 §4.3); SMTPUTF8 shows within its transaction only."""
        if not self.extended:
            return "SMTP"
        secured = ("S" if self.tls_active else "") + ("A" if self.authenticated else "")
        return ("UTF8SMTP" if self._smtputf8 else "ESMTP") + secured

    def next_event(self) -> Event | Need:
        """The next thing to act on. Never raises for anything the peer sent."""
        if self._waiting is not None:
            return Need.REPLY
        if self._state is State.CLOSED:
            return Need.CLOSE
        if self._state is State.TLS:
            return Need.TLS
        if self._state is State.CONNECTED:
            return self._wait(Connected())
        if self._text.reading:
            return self._text_step()
        line = self._lines.line()
        if line is None:
            return Need.DATA
        if isinstance(line, LineFault):
            return self._line_fault(line)
        if self._exchange is not None:
            return self._exchange_step(self._exchange, line)
        return self._command(line)

    def send(self, reply: Reply) -> bytes:
        """Answer the waiting event; the bytes to write (``b""`` for BDAT's DataStart). A 421 ends the connection.

        MisuseError when nothing waits, or the code cannot answer that event. The bytes may carry another reply than the one
        given: 421 when the peer has made too many errors, 554 when something follows STARTTLS, the extensions for EHLO.
        """
        event = self._waiting
        if self._state is State.CLOSED:
            # Hung up meanwhile; the answer comes too late for anybody.
            return b""
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
        sent = self._accept(event, reply) if positive else self._refuse(event, reply)
        return render(sent) if sent is not None else b""

    def tls_started(self) -> None:
        """TLS is up: forgets all state and drops buffered bytes (RFC 3207 §4.2). MisuseError unless Need.TLS was said."""
        if self._state is not State.TLS:
            raise MisuseError("TLS was not asked for")
        self._lines.clear()
        self._forget_session()
        self.tls_active = True

    def hang_up(self, reply: Reply) -> bytes:
        """End from our side at any time (421 on time-out or drain): the bytes to write; ``Need.CLOSE`` follows."""
        if self._state is State.CLOSED:
            return b""
        self._close("hung up")
        return render(reply)

    def usual_reply(self, event: Waiting) -> Reply:
        """What to ``send`` when policy has nothing to say: the positive answer (501 for AuthAborted)."""
        return usual_reply(event, self._config, tls_active=self.tls_active)

    # Replies that came.

    def _accept(self, event: Waiting, reply: Reply) -> Reply | None:
        match event:
            case Connected():
                self._state = State.GREETED
            case Hello():
                self._state = ORDER[self._state]["EHLO"]
                self.hello_name, self.extended = event.name, event.extended
                return hello_reply(self._config, extended=True, tls_active=self.tls_active) if event.extended else reply
            case MailFrom():
                self._state = ORDER[self._state]["MAIL"]
                self._smtputf8 = event.path.smtputf8
            case RcptTo():
                self._state = ORDER[self._state]["RCPT"]
                self._accepted += 1
            case DataStart(chunking=True):
                self._state = ORDER[self._state]["BDAT"]
                self._text.open_chunk(self._chunk[0], last=self._chunk[1])
                return None
            case DataStart():
                self._state = ORDER[self._state]["DATA"]
                self._text.open_dotted()
            case DataEnd():
                self._patience.progress()
                self._start_over()
            case StartTls():
                if self._lines:
                    # RFC 3207 §6: what was sent in clear behind STARTTLS must never be obeyed inside TLS.
                    self._close("plain text behind STARTTLS")
                    return codes.TLS_PIPELINED
                self._state = ORDER[self._state]["STARTTLS"]
            case Auth():
                self.authenticated = event.authcid
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
            case Connected():
                self._close("turned away")
            case Quit():
                self._close("quit")
            case Hello() | MailFrom() | RcptTo():
                self._declined += isinstance(event, RcptTo)
                # Those who have logged in may have old address books.
                return reply if self.authenticated else self._counted(reply)
            case AuthAborted():
                return self._counted(reply)
            case DataStart(chunking=True):
                octets, last = self._chunk
                self._start_over()
                self._state = State.READY if last else State.SPOILT
                self._text.refuse_chunk(octets, reply)
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

    # Lines.

    def _command(self, line: bytes) -> Event | Need:
        verb, arguments = grammar.split_command(line)
        if verb in _HTTP or verb.endswith(":"):
            self._close("HTTP on a mail port")
            return Need.CLOSE
        command = _COMMANDS.get(verb)
        if command is None:
            return self._answer("", codes.UNKNOWN_COMMAND)
        if verb not in ANYTIME and verb not in ORDER[self._state] and verb not in _OWN_ORDER:
            return self._answer(verb, out_of_order(self._state, verb))
        try:
            return command(self, arguments)
        except grammar.BadCommand as bad:
            self._declined += verb == "RCPT"
            return self._answer(verb, bad.reply)

    def _line_fault(self, fault: LineFault) -> Event:
        self._exchange = None
        match fault:
            case LineFault.TOO_LONG:
                return self._answer("", codes.LINE_TOO_LONG)
            case LineFault.ENDLESS:
                return self._answer_and_close("", codes.LINE_TOO_LONG, "endless line")
            case LineFault.BAD_OCTETS:
                return self._answer_and_close("", codes.BAD_OCTETS, "bare CR, bare LF or NUL in a command")
            case _:
                assert_never(fault)

    def _ehlo(self, arguments: bytes) -> Event:
        return self._hello(arguments, extended=True)

    def _helo(self, arguments: bytes) -> Event:
        return self._hello(arguments, extended=False)

    def _hello(self, arguments: bytes, *, extended: bool) -> Event:
        self._idle_command()
        name = grammar.parse_hello(arguments)
        self._start_over()
        return self._wait(Hello(name=name, extended=extended))

    def _mail(self, arguments: bytes) -> Event:
        if self._config.role is Role.SUBMISSION and not self.authenticated:
            return self._answer("MAIL", codes.LOGIN_FIRST if self.tls_active else codes.TLS_FIRST)
        path = grammar.parse_mail(arguments)
        if path.size is not None and path.size > self._config.size_limit:
            return self._answer("MAIL", codes.TOO_LARGE)
        return self._wait(MailFrom(path=path))

    def _rcpt(self, arguments: bytes) -> Event:
        path = grammar.parse_rcpt(arguments, smtputf8=self._smtputf8)
        if self._accepted >= self._config.recipients_limit:
            return self._answer("RCPT", codes.TOO_MANY_RECIPIENTS)
        return self._wait(RcptTo(path=path))

    def _starttls(self, arguments: bytes) -> Event:
        self._idle_command()
        if arguments:
            return self._answer("STARTTLS", codes.NO_ARGUMENTS)
        if self.tls_active:
            return self._answer("STARTTLS", codes.TLS_ALREADY)
        if not self._config.tls_available:
            return self._answer("STARTTLS", codes.NOT_OFFERED)
        if "STARTTLS" not in ORDER[self._state]:
            return self._answer("STARTTLS", out_of_order(self._state, "STARTTLS"))
        if self._lines:
            return self._answer_and_close("STARTTLS", codes.TLS_PIPELINED, "plain text behind STARTTLS")
        return self._wait(StartTls())

    def _auth(self, arguments: bytes) -> Event:
        self._idle_command()
        refusal = self._no_auth()
        if refusal is not None:
            return self._answer("AUTH", refusal)
        words = arguments.split()
        if not 1 <= len(words) <= 2:
            return self._answer("AUTH", codes.AUTH_MALFORMED)
        mechanism = words[0].decode("ascii", "replace")
        if not sasl.known(mechanism):
            return self._answer("AUTH", codes.AUTH_MECHANISM)
        return self._exchange_step(sasl.SaslServerExchange(mechanism), words[1] if len(words) == 2 else None, first=True)

    def _no_auth(self) -> Reply | None:
        """Why no login may be tried now (RFC 4954 §4), or None when it may."""
        if self._config.role is not Role.SUBMISSION:
            return codes.AUTH_NOT_HERE
        if not self.tls_active:
            return codes.AUTH_NEEDS_TLS
        if self.authenticated:
            return codes.AUTH_ALREADY
        return None if "AUTH" in ORDER[self._state] else out_of_order(self._state, "AUTH")

    def _exchange_step(self, exchange: sasl.SaslServerExchange, line: bytes | None, *, first: bool = False) -> Event:
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

    def _rset(self, _arguments: bytes) -> Event:
        self._idle_command()
        self._start_over()
        return self._wait(Reset())

    def _quit(self, _arguments: bytes) -> Event:
        return self._wait(Quit())

    def _noop(self, _arguments: bytes) -> Event:
        self._idle_command()
        return self._answer("NOOP", codes.NOOP)

    def _help(self, _arguments: bytes) -> Event:
        self._idle_command()
        return self._answer("HELP", codes.HELP)

    def _vrfy(self, arguments: bytes) -> Event:
        self._idle_command()
        return self._answer("VRFY", codes.VRFY if arguments else codes.VRFY_SYNTAX)

    def _not_offered(self, _arguments: bytes) -> Event:
        return self._answer("", codes.NOT_OFFERED)

    # The text of messages.

    def _data(self, arguments: bytes) -> Event:
        if self._state is State.CHUNKS:
            # RFC 3030 §2: DATA and BDAT do not mix in one transaction.
            return self._refuse_text(Void(reply=codes.NOT_NOW, state=State.SPOILT))
        refusal = codes.NO_ARGUMENTS if arguments else self._no_text("DATA")
        if refusal is None:
            return self._wait(DataStart(chunking=False))
        if self._lines:
            # The text came with the command; it must not be obeyed as commands.
            return self._answer_and_close("DATA", codes.DATA_PIPELINED, "text before the go-ahead")
        return self._answer("DATA", refusal)

    def _bdat(self, arguments: bytes) -> Event | Need:
        try:
            octets, last = grammar.parse_bdat(arguments)
        except grammar.BadCommand as bad:
            # Without a count nobody can tell where the text ends and commands begin again.
            return self._answer_and_close("BDAT", bad.reply, "malformed BDAT")
        if octets > 2 * self._config.size_limit:
            return self._answer_and_close("BDAT", codes.TOO_LARGE, "message far too large")
        refusal = self._no_text("BDAT")
        if refusal is not None:
            self._text.refuse_chunk(octets, refusal)
            return self._text_step()
        if self._text.chunking:
            self._text.open_chunk(octets, last=last)
            return self._text_step()
        self._chunk = (octets, last)
        return self._wait(DataStart(chunking=True))

    def _no_text(self, verb: str) -> Reply | None:
        """Why no text may come now, or None when it may."""
        if self._state is State.MAIL and self._declined:
            return codes.NO_VALID_RECIPIENTS
        return None if verb in ORDER[self._state] else out_of_order(self._state, verb)

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
        self._start_over()
        self._state = void.state
        sent = self._counted(void.reply)
        if void.state is State.CLOSED:
            self._close(f"message refused: {void.reply.text}")
        return DataRefused(reply=sent, octets=render(sent), delay=self._delay)

    # Answers.

    def _wait(self, event: Waiting) -> Waiting:
        self._waiting = event
        return event

    def _idle_command(self) -> None:
        self._patience.idle_command()
        if self._patience.exhausted is Exhausted.IDLE:
            raise grammar.BadCommand(codes.too_many_idle_commands(self._config.hostname))

    def _counted(self, reply: Reply) -> Reply:
        """``reply``, or the 421 that ends the peer's last chance; sets ``delay``."""
        self._delay = self._patience.error() if reply.code >= 500 else 0.0
        if self._patience.exhausted is Exhausted.ERRORS:
            reply = codes.too_many_errors(self._config.hostname)
        if reply.code == 421:
            self._close("too many errors or idle commands")
        return reply

    def _answer(self, verb: str, reply: Reply) -> Answered:
        sent = self._counted(reply)
        return Answered(command=verb, reply=sent, octets=render(sent), delay=self._delay)

    def _answer_and_close(self, verb: str, reply: Reply, reason: str) -> Answered:
        answer = self._answer(verb, reply)
        self._close(reason)
        return answer

    def _close(self, reason: str) -> None:
        self.close_reason = self.close_reason or reason
        self._state = State.CLOSED
        self._waiting = None
        self._lines.clear()


# These look at the order themselves: the others' refusals come first, or octets must be read before the refusal.
_OWN_ORDER = frozenset({"STARTTLS", "AUTH", "DATA", "BDAT"})

_COMMANDS: dict[str, Callable[[SmtpServerConnection, bytes], Event | Need]] = {
    "EHLO": SmtpServerConnection._ehlo,
    "HELO": SmtpServerConnection._helo,
    "MAIL": SmtpServerConnection._mail,
    "RCPT": SmtpServerConnection._rcpt,
    "DATA": SmtpServerConnection._data,
    "BDAT": SmtpServerConnection._bdat,
    "RSET": SmtpServerConnection._rset,
    "QUIT": SmtpServerConnection._quit,
    "STARTTLS": SmtpServerConnection._starttls,
    "AUTH": SmtpServerConnection._auth,
    "NOOP": SmtpServerConnection._noop,
    "HELP": SmtpServerConnection._help,
    "VRFY": SmtpServerConnection._vrfy,
    "EXPN": SmtpServerConnection._not_offered,
    "ETRN": SmtpServerConnection._not_offered,
    "TURN": SmtpServerConnection._not_offered,
}
