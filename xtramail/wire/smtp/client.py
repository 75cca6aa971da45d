"""The client side of one SMTP connection: commands in, bytes out; bytes in, events out.

Owns the dialogue with one server, many transactions long, with what that server offers: PIPELINING (RFC 2920),
CHUNKING, SIZE, 8BITMIME, SMTPUTF8, DSN. Whether to use TLS, to log in or to try again is the courier's to decide;
deadlines are the adapter's.
"""

from __future__ import annotations

from collections import deque

from xtramail.model.address import Address
from xtramail.model.envelope import Envelope, ForwardPath, ReversePath
from xtramail.model.outcome import Reply
from xtramail.model.secret import Secret
from xtramail.wire import sasl
from xtramail.wire.errors import MisuseError, ProtocolError
from xtramail.wire.smtp.client_config import SmtpClientConfig as SmtpClientConfig
from xtramail.wire.smtp.client_events import (
    Asked,
    BodyWanted,
    ClientEvent,
    Declined,
    Finished,
    Goodbye,
    Greeted,
    LoggedIn,
    Ready,
    Send,
    Stage,
)
from xtramail.wire.smtp.client_lines import envelope_lines, local_refusal, parse_extensions
from xtramail.wire.smtp.client_order import ALLOWED, STAGES, ClientState, Command, Step
from xtramail.wire.smtp.client_transaction import Transaction
from xtramail.wire.smtp.dotted import FINAL_DOT, LineEndCheck, Stuffer
from xtramail.wire.smtp.events import Need
from xtramail.wire.smtp.replies import ReplyReader


class SmtpClientConnection:
    """``feed`` what came, call ``next_event`` until it returns a Need; each command method returns the bytes to write.

    Need.DATA: wait for bytes (or for the caller's next command, when idle or when the body is wanted). Need.TLS: start
    TLS, then ``tls_started`` and ``hello`` again. Need.CLOSE: close. MisuseError from a command that is not allowed
    now.
    """

    def __init__(self, config: SmtpClientConfig) -> None:
        self._config = config
        self._reader = ReplyReader()
        self._state = ClientState.GREETING
        self._awaited: deque[Command] = deque([Command(step=Step.GREETING, line=b"")])
        self._unsent: deque[Command] = deque()
        self._events: deque[ClientEvent] = deque()
        self._extensions: dict[str, str] = {}
        self._transaction: Transaction | None = None
        self._reset_first = False
        """The server still holds an envelope of ours."""
        self._text: Stuffer | LineEndCheck = Stuffer()
        self._chunking = False
        self._secrets: list[bytes] = []
        self.tls_active = config.tls_active

    # Bytes from the server.

    def feed(self, data: bytes) -> None:
        """Buffer what the server sent; after the end it is dropped."""
        if self._state is not ClientState.CLOSED:
            self._reader.feed(data)

    def next_event(self) -> ClientEvent | Need:
        """The next thing to act on. ProtocolError (once) when the server talks junk: the connection is then lost, and
        further calls give ``Finished`` or ``Asked`` for what was under way and Need.CLOSE."""
        while not self._events:
            if self._state is ClientState.CLOSED:
                return Need.CLOSE
            if self._state is ClientState.TLS:
                return Need.TLS
            try:
                reply = self._reader.next()
                if reply is None:
                    return Need.DATA
                self._take(reply)
            except ProtocolError:
                self.lost()
                raise
        return self._events.popleft()

    def lost(self) -> None:
        """The transport closed or a deadline passed: ``next_event`` ends what is under way, then says Need.CLOSE."""
        if self._state is ClientState.CLOSED:
            return
        if self._transaction is not None:
            self._transaction.lost(self.progress[0])
            self._finish()
        self._close()

    # Commands of the caller.

    def hello(self) -> bytes:
        """EHLO; HELO follows by itself when EHLO is refused with 5xx. ``Ready`` or ``Declined`` will follow."""
        self._allow("hello")
        self._state = ClientState.HELLO
        return self._command(Step.EHLO, b"EHLO " + self._config.hostname.encode("ascii"))

    def offers(self, keyword: str) -> bool:
        """Was this extension in the last EHLO reply? (``STARTTLS``, ``SMTPUTF8``, ...)"""
        return keyword in self._extensions

    @property
    def idle(self) -> bool:
        """Nothing is under way: ``begin``, ``ask`` or ``quit`` may come."""
        return self._state is ClientState.READY and not self._events

    @property
    def progress(self) -> tuple[Stage, int]:
        """What the next reply belongs to, and how many have come: both decide how long it is waited for."""
        return STAGES[self._awaited[0].step] if self._awaited else Stage.DATA, self._reader.count

    @property
    def body_open(self) -> bool:
        """``body`` may be called. False again when the server ends the message early: ``Finished`` tells why."""
        return self._state is ClientState.BODY

    def starttls(self) -> bytes:
        """Ask for TLS; Need.TLS or ``Declined`` will follow."""
        self._allow("starttls")
        self._state = ClientState.STARTTLS
        return self._command(Step.STARTTLS, b"STARTTLS")

    def tls_started(self) -> None:
        """TLS is up: forget what the server said before (RFC 3207 §4.2); call ``hello`` again."""
        self._allow("tls_started")
        self._reader.clear()
        self._extensions = {}
        self.tls_active = True
        self._state = ClientState.GREETED

    def login(self, user: str, password: Secret) -> bytes:
        """AUTH PLAIN, or LOGIN where only that is offered; ``LoggedIn`` or ``Declined`` will follow.

        MisuseError without TLS: a password is never sent in clear.
        """
        self._allow("login")
        if not self.tls_active:
            raise MisuseError("login without TLS")
        offered = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            self._secrets = []
            line = b"AUTH PLAIN " + sasl.plain_message(user, password)
        elif "LOGIN" in offered:
            self._secrets = [sasl.encode(user.encode()), sasl.encode(password.reveal().encode())]
            line = b"AUTH LOGIN"
        else:
            missing = Reply.of(504, "5.5.4", "the server offers neither AUTH PLAIN nor LOGIN")
            self._events.append(Declined(stage=Stage.AUTH, reply=missing))
            return b""
        self._state = ClientState.LOGIN
        return self._command(Step.AUTH, line)

    def begin(self, envelope: Envelope, size: int) -> bytes:
        """Start a transaction for a message of ``size`` octets; ``BodyWanted`` or ``Finished`` will follow."""
        self._allow("begin")
        if not envelope.forward_paths:
            raise MisuseError("an envelope without recipients")
        transaction = Transaction(recipients=len(envelope.forward_paths))
        refusal = local_refusal(envelope, size, self._extensions)
        if refusal is not None:
            return self._refuse_here(transaction, refusal)
        mail, recipients = envelope_lines(envelope, size, self._extensions)
        self._chunking = self._config.chunking and self.offers("CHUNKING") and self.offers("PIPELINING")
        self._text = LineEndCheck() if self._chunking else Stuffer()
        commands = [Command(step=Step.MAIL, line=mail)]
        commands += [Command(step=Step.RCPT, line=line, index=index) for index, line in enumerate(recipients)]
        if not self._chunking:
            commands.append(Command(step=Step.DATA, line=b"DATA\r\n"))
        return self._start(transaction, commands)

    def ask(self, address: Address) -> bytes:
        """MAIL <>, RCPT, RSET: would the server take this recipient? ``Asked`` will follow."""
        self._allow("ask")
        envelope = Envelope(reverse_path=ReversePath(address=None), forward_paths=(ForwardPath(address=address),))
        transaction = Transaction(recipients=1, asking=True)
        refusal = local_refusal(envelope, 0, self._extensions)
        if refusal is not None:
            return self._refuse_here(transaction, refusal)
        self._chunking = False
        mail, recipients = envelope_lines(envelope, 0, {k: v for k, v in self._extensions.items() if k != "SIZE"})
        steps = ((Step.MAIL, mail), (Step.RCPT, recipients[0]), (Step.RSET, b"RSET\r\n"))
        return self._start(transaction, [Command(step=step, line=line) for step, line in steps])

    def body(self, chunk: bytes) -> bytes:
        """Some octets of the message, as they go on the wire.

        MisuseError on bare CR, LF or NUL (promise 5); the connection can then only be closed.
        """
        self._allow("body")
        text = self._text.push(chunk)
        if not self._chunking or not text:
            return text
        self._awaited.append(Command(step=Step.CHUNK, line=b""))
        return b"BDAT %d\r\n%b" % (len(text), text)

    def body_end(self) -> bytes:
        """All but the final dot: ends the last line. Write this before the attempt row."""
        self._allow("body")
        return self._text.end()

    def final_dot(self) -> bytes:
        """The octets that hand the message over; ``Finished`` will follow, with UNCONFIRMED if the answer never
        comes.
        """
        self._allow("body")
        assert self._transaction is not None
        self._transaction.dot_sent = True
        self._state = ClientState.FINAL
        self._awaited.append(Command(step=Step.FINAL, line=b""))
        return b"BDAT 0 LAST\r\n" if self._chunking else FINAL_DOT

    def quit(self) -> bytes:
        """QUIT; ``Goodbye`` will follow."""
        self._allow("quit")
        self._state = ClientState.QUIT
        return self._command(Step.QUIT, b"QUIT")

    # Replies of the server.

    def _take(self, reply: Reply) -> None:
        if reply.code == 421:
            return self._ended_by_server(reply)
        if self._state is ClientState.BODY and not self._awaited:
            return self._body_cut_short(reply)
        if not self._awaited:
            raise ProtocolError(f"the server sent a reply nobody asked for: {reply.code}")
        answered = self._awaited.popleft()
        if self._transaction is not None:
            self._transaction_answer(self._transaction, answered, reply)
        else:
            self._session_answer(answered.step, reply)

    def _session_answer(self, step: Step, reply: Reply) -> None:
        match step:
            case Step.GREETING if reply.code == 220:
                self._state = ClientState.GREETED
                self._events.append(Greeted(reply=reply))
            case Step.EHLO | Step.HELO if reply.code == 250:
                self._extensions = parse_extensions(reply) if step is Step.EHLO else {}
                self._state = ClientState.READY
                self._events.append(Ready(reply=reply, extensions=dict(self._extensions)))
            case Step.EHLO if reply.code >= 500:
                # RFC 5321 §3.2: a server without extensions.
                self._events.append(Send(self._command(Step.HELO, b"HELO " + self._config.hostname.encode("ascii"))))
            case Step.STARTTLS if reply.code == 220:
                if self._reader.buffered:
                    # Replies sent in clear must not be taken for the server's once TLS is up.
                    raise ProtocolError("the server sent something behind its go-ahead for TLS")
                self._state = ClientState.TLS
            case Step.AUTH if reply.code == 334:
                answer = self._secrets.pop(0) if self._secrets else b"*"
                self._events.append(Send(self._command(Step.AUTH, answer)))
            case Step.AUTH if reply.code == 235:
                self._state = ClientState.READY
                self._events.append(LoggedIn(reply=reply))
            case Step.QUIT:
                self._events.append(Goodbye(reply=reply))
                self._close()
            case _ if reply.code < 400:
                raise ProtocolError(f"the server answered {step.name} with {reply.code}")
            case _:
                self._events.append(Declined(stage=STAGES[step], reply=reply))
                if step in (Step.STARTTLS, Step.AUTH):
                    self._state = ClientState.READY
                else:
                    self._close()

    def _transaction_answer(self, transaction: Transaction, answered: Command, reply: Reply) -> None:
        if answered.step is Step.DATA:
            self._data_answer(transaction, reply)
        elif reply.code // 100 == 3:
            raise ProtocolError(f"the server answered {answered.step.name} with {reply.code}")
        else:
            self._message_answer(transaction, answered, reply)
        if self._events or self._awaited:
            return
        if self._unsent:
            self._events.append(Send(self._flush()))
        elif self._chunking and transaction.accepted and self._state is ClientState.ENVELOPE:
            self._body_wanted(transaction)
        elif self._state is not ClientState.BODY:
            self._finish()

    def _message_answer(self, transaction: Transaction, answered: Command, reply: Reply) -> None:
        match answered.step:
            case Step.RSET:
                self._reset_first = self._reset_first and reply.code // 100 != 2
            case Step.MAIL:
                if reply.code // 100 == 2:
                    self._reset_first = True
                else:
                    transaction.sender_refused(reply)
                    self._unsent.clear()
            case Step.RCPT:
                transaction.recipient_answered(answered.index, reply)
                if not transaction.accepted and all(command.step is Step.DATA for command in self._unsent):
                    self._unsent.clear()
            case Step.CHUNK if reply.code // 100 != 2:
                # RFC 3030 §2: the transaction is spoilt; what is under way is answered in the same vein.
                transaction.decide(Stage.DATA, reply)
                if self._state is ClientState.BODY:
                    self._state = ClientState.ENVELOPE
            case Step.FINAL:
                transaction.decide(Stage.FINAL, reply)
                self._reset_first = self._chunking and reply.code // 100 != 2
                self._finish()
            case _:
                pass

    def _data_answer(self, transaction: Transaction, reply: Reply) -> None:
        if reply.code // 100 == 2:
            raise ProtocolError(f"the server answered DATA with {reply.code}")
        if reply.code != 354:
            transaction.decide(Stage.DATA, reply)
        elif transaction.accepted:
            self._body_wanted(transaction)
        else:
            # Pipelined, and nobody is left to receive: RFC 2920 §3.1 asks for an empty message.
            self._awaited.append(Command(step=Step.FINAL, line=b""))
            self._events.append(Send(FINAL_DOT))

    def _body_wanted(self, transaction: Transaction) -> None:
        self._state = ClientState.BODY
        self._events.append(BodyWanted(accepted=tuple(transaction.accepted)))

    def _body_cut_short(self, reply: Reply) -> None:
        """A reply in the middle of DATA: the server will not read on, and nothing can be said to it any more."""
        if reply.code < 400 or self._transaction is None:
            raise ProtocolError(f"the server sent {reply.code} in the middle of the message")
        self._transaction.decide(Stage.DATA, reply)
        self._finish()
        self._close()

    def _ended_by_server(self, reply: Reply) -> None:
        """421 may come at any time (RFC 5321 §3.8)."""
        stage, step = self.progress[0], self._awaited[0].step if self._awaited else None
        if self._transaction is not None:
            self._transaction.decide(stage, reply)
            self._finish()
        elif step is None or step is Step.QUIT:
            self._events.append(Goodbye(reply=reply))
        else:
            self._events.append(Declined(stage=stage, reply=reply))
        self._close()

    # Sending, and ends.

    def _allow(self, command: str) -> None:
        if self._state not in ALLOWED[command]:
            raise MisuseError(f"{command} is not allowed while {self._state.name}")

    def _command(self, step: Step, line: bytes) -> bytes:
        self._awaited.append(Command(step=step, line=b""))
        return line + b"\r\n"

    def _refuse_here(self, transaction: Transaction, reply: Reply) -> bytes:
        """Over before it began: the server need not be asked."""
        self._transaction = transaction
        transaction.decide(Stage.LOCAL, reply)
        self._finish()
        return b""

    def _start(self, transaction: Transaction, commands: list[Command]) -> bytes:
        self._transaction = transaction
        self._state = ClientState.ENVELOPE
        if self._reset_first:
            self._unsent.append(Command(step=Step.RSET, line=b"RSET\r\n"))
        self._unsent.extend(commands)
        return self._flush()

    def _flush(self) -> bytes:
        """Everything with PIPELINING, else the next command alone."""
        count = len(self._unsent) if self.offers("PIPELINING") else 1
        sent = [self._unsent.popleft() for _ in range(count)]
        self._awaited.extend(sent)
        return b"".join(command.line for command in sent)

    def _finish(self) -> None:
        assert self._transaction is not None
        outcomes = self._transaction.outcomes()
        asked = Asked(stage=outcomes[0].stage, reply=outcomes[0].reply)
        self._events.append(asked if self._transaction.asking else Finished(outcomes=outcomes))
        self._transaction = None
        self._state = ClientState.READY

    def _close(self) -> None:
        self._state = ClientState.CLOSED
        self._awaited.clear()
        self._unsent.clear()
        self._secrets.clear()
        self._reader.clear()
