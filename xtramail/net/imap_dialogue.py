"""What an IMAP client's commands do: login, the session behind them, APPEND, IDLE, and the order of each answer.

Owns the dialogue of one connection. Does not own its transport (``imap_server``), nor what commands on mailboxes answer
(``mailbox/answers``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from xtramail.mailbox.answers.answer import Answer, tell
from xtramail.mailbox.answers.progress import progress_line
from xtramail.mailbox.answers.table import TARGETED, answer_later, answer_now, must_wait
from xtramail.mailbox.session import Session
from xtramail.mailbox.view import Telling, View
from xtramail.model.errors import BadCredentials, BadInput, LimitReached, NoSuchMailbox, Unavailable, XtramailError
from xtramail.net.imap_append import Incoming
from xtramail.net.imap_client import ImapClient
from xtramail.net.imap_line import Line
from xtramail.net.imap_service import ImapService
from xtramail.net.limits import Ticket
from xtramail.net.login_delays import LoginDelays
from xtramail.store.messages import Added
from xtramail.telemetry import maillog
from xtramail.wire.imap import commands, responses, status
from xtramail.wire.imap.append_commands import AppendMore, Replace
from xtramail.wire.imap.commands import Command
from xtramail.wire.imap.deflate import Compress
from xtramail.wire.imap.events import LiteralAborted, LiteralChunk, LiteralEnd
from xtramail.wire.imap.offers import uses_condstore
from xtramail.wire.imap.status import Outcome, Tagged, refusal


class ImapDialogue:
    """One client. Everything here happens while the client waits for an answer, but :meth:`look`."""

    def __init__(self, service: ImapService, line: Line) -> None:
        self._service = service
        self._line = line
        self._delays = LoginDelays(service.times.failed_login)
        self._compressed = False
        self._incoming: Incoming | None = None
        self._unwatch: Callable[[], None] | None = None
        self._client = ImapClient(service, line)
        self._enabled: set[str] = set()
        """By name, with ENABLE."""
        self.session: Session | None = None
        self.ticket: Ticket | None = None
        self.hint: Callable[[], None] = lambda: None
        """Called when something of the account changed."""

    @property
    def busy(self) -> bool:
        """A message is on its way in."""
        return self._incoming is not None

    def close(self, reason: str) -> None:
        """The connection is gone. May be called again."""
        self._incoming = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        session, self.session = self.session, None
        if session is not None:
            maillog.logged_out(
                service=self._service.name, account=session.account.address, peer=self._line.peer, reason=reason
            )
            session.close()

    # Events

    def act(self, event: Command | LiteralChunk | LiteralEnd | LiteralAborted) -> None:
        """Answer a command or take a piece of one; may leave the answer to something it waits for."""
        if isinstance(event, LiteralChunk):
            self._chunk(event.octets)
        elif isinstance(event, LiteralEnd):
            self._text_is_here()
        elif isinstance(event, LiteralAborted):
            self._incoming = None
            self._line.pace.end()
        else:
            self._service.collaborators.metrics.imap_command(type(event).__name__)
            own = _OWN.get(type(event))
            if own is not None:
                own(self, event)
            else:
                self._ask_session(event)

    def look(self) -> bool:
        """Something of the account changed: end a session that is no longer valid, tell an idling client.

        Whether the client was told anything.
        """
        session, told = self.session, b""
        if session is None:
            return False
        if not session.still_valid():
            self._line.hang_up("This login is no longer valid")
        elif self._line.connection.idling:
            try:
                told = tell(session, Telling.EVERYTHING)
                self._line.write(told)
            except NoSuchMailbox as error:
                self._line.hang_up(error.text)
        return bool(told)

    def sign_of_life(self) -> bytes:
        """For who idles, or waits for an answer; empty where the client knows none of the latter kind."""
        connection, session = self._line.connection, self.session
        if connection.idling:
            return b"* OK Still here\r\n"
        if session is None or not session.terms.offers("INPROGRESS"):
            return b""
        return progress_line(connection.tag, 0, session.under_way)

    # Answers

    def _ask_session(self, command: Command) -> None:
        session, terms = self._session(), self._session().terms
        first = self._agree(session, command)

        def refuse(error: Exception) -> None:
            if first:
                # What failed switched nothing on.
                session.speak(terms)
            self._refuse(command, error)

        def give(answer: Answer) -> None:
            self._line.write(first)
            self._give(answer)

        if must_wait(session, command):
            self._line.wait_for(answer_later(session, command), give, on_error=refuse)
            return
        try:
            answer = answer_now(session, command)
        except Exception as error:
            refuse(error)
        else:
            give(answer)

    def _agree(self, session: Session, command: Command) -> bytes:
        """A command that uses CONDSTORE is answered as if it had been enabled before; what is due first: HIGHESTMODSEQ
        of the selected mailbox (RFC 7162 §3.1), which SELECT tells by itself."""
        terms, enabled = session.terms, self._line.connection.enabled
        if "CONDSTORE" not in terms.enabled and terms.offers("CONDSTORE") and uses_condstore(command):
            enabled |= {"CONDSTORE"}
        if not enabled <= terms.enabled:
            session.speak(replace(terms, enabled=terms.enabled | enabled))
        view = session.view
        if view is None or terms.condstore or not session.terms.condstore or isinstance(command, _OPENS):
            return b""
        return responses.ok("Highest", responses.highestmodseq_code(view.settled))

    def _give(self, answer: Answer) -> None:
        self._line.write(answer.untagged)
        if answer.stream is None:
            self._complete(answer.tagged, answer.telling)
            return

        def streamed(error: Exception | None) -> None:
            self._complete(answer.tagged if error is None else self._refusal(error), answer.telling)

        self._line.stream(answer.stream, streamed)

    def _complete(self, tagged: Tagged, telling: Telling | None = Telling.EVERYTHING) -> None:
        """What changed, then the tagged answer (RFC 9051 §7: untagged data before it)."""
        gone = ""
        if telling is not None and self.session is not None:
            try:
                self._line.write(tell(self.session, telling))
            except NoSuchMailbox as error:
                gone = error.text
            else:
                tagged = self._with_modseq(tagged, self.session.view)
        self._line.write(self._line.connection.send(tagged))
        if gone:
            self._line.hang_up(gone)

    def _with_modseq(self, tagged: Tagged, view: View | None) -> Tagged:
        """While expunges are untold, what a client may take for its HIGHESTMODSEQ is older than the MODSEQs it was
        just told: else it would never learn of them if the connection broke now (RFC 7162 §6, its example)."""
        if view is None or not view.terms.qresync or not (view.untold or view.behind):
            return tagged
        view.behind = view.untold
        code = responses.highestmodseq_code(view.settled)
        if tagged.outcome is Outcome.OK and not tagged.code:
            return Tagged(tagged.outcome, tagged.text, code)
        self._line.write(responses.ok("Highest", code))
        return tagged

    def _refuse(self, command: Command, error: Exception) -> None:
        # A refusal of FETCH, STORE or SEARCH by number must not tell expunges; nothing is lost by waiting with all.
        self._complete(self._refusal(error, try_create=isinstance(command, TARGETED)), None)

    def _refusal(self, error: Exception, *, try_create: bool = False) -> Tagged:
        if isinstance(error, BadInput):
            return status.bad(error.text)
        if not isinstance(error, XtramailError):
            self._service.collaborators.metrics.bug("imap")
            try:
                raise error
            except Exception:
                maillog.bug(where="imap", peer=self._line.peer)
        return refusal(error, try_create=try_create)

    def _session(self) -> Session:
        assert self.session is not None, "the connection lets no such command pass before login"
        return self.session

    # Without a session

    def capability(self, _command: commands.Capability) -> None:
        self._line.write(self._line.connection.capability_line())
        self._complete(status.ok("Capabilities told"))

    def noop(self, _command: commands.Noop) -> None:
        self._complete(status.ok("Done"))

    def logout(self, _command: commands.Logout) -> None:
        self._line.write(responses.bye("Until next time"))
        self._complete(status.ok("Logged out"), None)

    def identify(self, command: commands.Id) -> None:
        self._client.identify(command, self.session)
        self._line.write(responses.server_id({"name": "xtramail"}))
        self._complete(status.ok("Pleased to meet you"))

    def start_tls(self, _command: commands.StartTls) -> None:
        self._client.forget()
        self._complete(status.ok("Begin TLS"), None)

    def enable(self, command: commands.Enable) -> None:
        session = self._session()
        with suppress(NoSuchMailbox):
            # As it was told so far: behind ENABLED no client of QRESYNC reads EXPUNGE. A mailbox that is gone ends the
            # connection below.
            self._line.write(tell(session, Telling.EVERYTHING))
        # RFC 5161 §3.2: what this command switched on, not what was on before.
        self._line.write(responses.enabled(name for name in command.capabilities if name not in self._enabled))
        self._enabled.update(command.capabilities)
        # A client that reads line by line takes what comes behind the tagged answer for the next command's.
        self._line.write(self._agree(session, command))
        self._complete(status.ok("Enabled"))
        if self.session is not None:
            self._agree(session, command)

    def compress(self, _command: Compress) -> None:
        if self._compressed:
            self._complete(status.no("Compression is active already", b"COMPRESSIONACTIVE"))
        elif self._line.connection.buffered:
            # Sent before our OK, it would have to be read as both plain and compressed.
            self._complete(status.bad("Wait for OK before sending more"))
        else:
            self._compressed = True
            self._complete(status.ok("Deflating from now on"))
            self._line.compress()

    # Login

    def log_in(self, command: commands.Login | commands.Authenticate) -> None:
        collaborators = self._service.collaborators
        began = collaborators.reactor.seconds()
        as_of = collaborators.mailboxes.engine.newest_commit()
        checked = collaborators.login.password(
            command.user, command.password, peer=self._line.peer, service="imap"
        )

        async def open_session() -> Session:
            session = Session(collaborators.mailboxes, await checked, as_of=as_of)
            await session.open()
            return session

        mechanism = command.mechanism if isinstance(command, commands.Authenticate) else "LOGIN command"
        self._line.wait_for(
            open_session(),
            lambda session: self._logged_in(session, mechanism),
            on_error=lambda error: self._login_failed(error, collaborators.reactor.seconds() - began),
        )

    def _logged_in(self, session: Session, mechanism: str) -> None:
        metrics, connection, account = self._service.collaborators.metrics, self._line.connection, session.account
        try:
            if self.ticket is not None:
                self.ticket.logged_in(account.id)
        except LimitReached as error:
            self._service.turned_away(self._line.peer, error.text)
            self._complete(status.no(error.text, b"LIMIT"), None)
            return
        self.session = session
        self._unwatch = session.watch(self.hint)
        metrics.login(self._service.name, "good")
        maillog.logged_in(
            service=self._service.name, account=account.address, peer=self._line.peer, mechanism=mechanism
        )
        self._line.logged_in()
        if not session.still_valid():
            # Revoked while its mailboxes were made, when nobody watched yet.
            self._line.hang_up("This login is no longer valid")
            return
        self._client.meet(session)
        code = responses.capability_code(connection.capabilities())
        self._complete(status.ok("Logged in", code), None)

    def _login_failed(self, error: Exception, spent: float) -> None:
        metrics, line = self._service.collaborators.metrics, self._line
        if isinstance(error, Unavailable):
            # A NO would look like a wrong password, and clients would ask their user for a new one.
            metrics.login(self._service.name, "busy")
            line.hang_up(error.text, b"UNAVAILABLE")
            return
        if not isinstance(error, BadCredentials):
            self._complete(self._refusal(error), None)
            return
        metrics.login(self._service.name, "refused")
        delay = self._delays.refused(error, spent=spent)
        octets = line.connection.send(refusal(error))
        if self._delays.refusals >= self._service.failures:
            octets += line.connection.close("Too many failed logins")
        line.write_later(octets, delay)

    # APPEND

    def append(self, command: commands.Append) -> None:
        try:
            self._incoming = Incoming(self._session(), command, self._line)
        except Exception as error:
            self._refuse(command, error)
            return
        self._message_comes()

    def append_more(self, command: AppendMore) -> None:
        incoming = self._incoming
        assert incoming is not None
        try:
            incoming.more(command)
        except Exception as error:
            self._incoming = None
            self._line.pace.end()
            self._refuse(incoming.command, error)
            return
        self._message_comes()

    def _message_comes(self) -> None:
        self._line.pace.begin(self._service.collaborators.reactor.seconds())
        self._line.write(self._line.connection.accept())

    def _chunk(self, octets: bytes) -> None:
        assert self._incoming is not None
        self._incoming.chunk(octets)

    def _text_is_here(self) -> None:
        incoming, self._incoming = self._incoming, None
        assert incoming is not None
        self._line.pace.end()
        self._line.wait_for(
            incoming.file(),
            lambda added: self._appended(incoming, added),
            on_error=lambda error: self._refuse(incoming.command, error),
        )

    def _appended(self, incoming: Incoming, added: list[Added]) -> None:
        code = incoming.told(added)
        if isinstance(incoming.command, Replace):
            # RFC 8508 §4.3: the new UID is told before the old message goes.
            self._line.write(responses.ok("Replacement is here", code))
            self._complete(status.ok("Replaced"))
        else:
            self._complete(status.ok("Appended", code))

    # IDLE

    def idle(self, _command: commands.Idle) -> None:
        """What changed before is told by the first look, in the same piece."""
        self._line.write(self._line.connection.accept())

    def idle_done(self, _command: commands.Done) -> None:
        self._complete(status.ok("Idled"))


_OPENS = (commands.Select, commands.Examine)

_OWN: dict[type[Command], Callable[[ImapDialogue, Any], None]] = {
    commands.Capability: ImapDialogue.capability,
    commands.Noop: ImapDialogue.noop,
    commands.Logout: ImapDialogue.logout,
    commands.Id: ImapDialogue.identify,
    commands.StartTls: ImapDialogue.start_tls,
    commands.Enable: ImapDialogue.enable,
    commands.Login: ImapDialogue.log_in,
    commands.Authenticate: ImapDialogue.log_in,
    commands.Append: ImapDialogue.append,
    AppendMore: ImapDialogue.append_more,
    Replace: ImapDialogue.append,
    Compress: ImapDialogue.compress,
    commands.Idle: ImapDialogue.idle,
    commands.Done: ImapDialogue.idle_done,
}
"""Commands that are the connection's own, not its session's."""
