"""What a POP3 client's commands do: login, the maildrop behind it, the answers.

Owns the dialogue of one connection. Does not own its transport (``pop3_server``) nor what a maildrop is
(``mailbox/maildrop``).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

from xtramail.mailbox.maildrop import Maildrop
from xtramail.mailbox.session import Session
from xtramail.model.errors import BadCredentials, LimitReached, Unavailable, XtramailError
from xtramail.model.peer import Peer
from xtramail.net.limits import Ticket
from xtramail.net.login_delays import LoginDelays
from xtramail.net.pop3_service import Pop3Service
from xtramail.telemetry import maillog
from xtramail.wire.pop3 import events, replies
from xtramail.wire.pop3.events import Waiting
from xtramail.wire.pop3.replies import Code, Reply, err, ok
from xtramail.wire.pop3.server import Pop3ServerConnection

T = TypeVar("T")
_LINES_AT_ONCE = 500


class Line(Protocol):
    """The transport side of the connection."""

    peer: Peer
    connection: Pop3ServerConnection

    def write(self, octets: bytes) -> None:
        """In order, in as few pieces as possible."""

    def write_later(self, octets: bytes, delay: float) -> None:
        """After ``delay`` seconds; the client's next command waits as long."""

    def wait_for(
        self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None], *, on_error: Callable[[Exception], None]
    ) -> None:
        """Go on with ``then(result)``, or ``on_error(error)``; the client's next command waits."""

    def stream(self, pieces: Iterator[bytes], then: Callable[[], None]) -> None:
        """Write the pieces as fast as the client takes them, then go on; an empty piece lets others have a turn."""

    def hang_up(self, reply: Reply) -> None:
        """Say so where it can be said, and close."""

    def logged_in(self) -> None: ...


class Pop3Dialogue:
    """One client. Everything here happens while it waits for an answer, but :meth:`look`."""

    def __init__(self, service: Pop3Service, line: Line) -> None:
        self._service = service
        self._line = line
        self._delays = LoginDelays(service.times.failed_login)
        self._gone = False
        self._unwatch: Callable[[], None] | None = None
        self.maildrop: Maildrop | None = None
        self.ticket: Ticket | None = None
        self.hint: Callable[[], None] = lambda: None
        """Called when something of the account changed."""

    def close(self, reason: str) -> None:
        """The connection is gone: what is marked stays. May be called again."""
        self._gone = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        maildrop, self.maildrop = self.maildrop, None
        if maildrop is not None:
            account = maildrop.session.account.address
            maillog.logged_out(service=self._service.name, account=account, peer=self._line.peer, reason=reason)
            maildrop.close()

    def look(self) -> None:
        """Something of the account changed: end a session that is no longer valid."""
        if self.maildrop is not None and not self.maildrop.session.still_valid():
            self._line.hang_up(err("This login is no longer valid", Code.AUTH))

    def act(self, event: Waiting) -> None:
        """Answer one event, now or when what it waits for is there."""
        self._service.collaborators.metrics.pop3_command(type(event).__name__)
        try:
            _ACTIONS[type(event)](self, event)
        except XtramailError as error:
            self._answer(refusal(error))

    def _answer(self, reply: Reply) -> None:
        self._line.write(self._line.connection.send(reply))

    def _mail(self) -> Maildrop:
        assert self.maildrop is not None, "the connection lets no such command pass before login"
        return self.maildrop

    # Before a login

    def start_tls(self, _event: events.StartTls) -> None:
        self._answer(ok("Begin TLS"))

    def log_in(self, event: events.LogIn) -> None:
        collaborators = self._service.collaborators
        began = collaborators.reactor.seconds()
        checked = collaborators.login.password(event.authcid, event.password, peer=self._line.peer, service="pop3")

        async def open_maildrop() -> Maildrop:
            session = Session(collaborators.mailboxes, await checked)
            await session.open()
            if self._gone:
                raise Unavailable("The client did not wait")
            return Maildrop(session, collaborators.sizes)

        self._line.wait_for(
            open_maildrop(),
            lambda maildrop: self._logged_in(maildrop, event.mechanism),
            on_error=lambda error: self._login_failed(error, collaborators.reactor.seconds() - began),
        )

    def _logged_in(self, maildrop: Maildrop, mechanism: str) -> None:
        service, account, peer = self._service, maildrop.session.account, self._line.peer
        try:
            if self.ticket is not None:
                self.ticket.logged_in(account.id)
        except LimitReached as error:
            maildrop.close()
            service.turned_away(peer, error.text)
            self._answer(err(error.text, Code.TEMPORARY))
            return
        self.maildrop = maildrop
        self._unwatch = maildrop.session.watch(self.hint)
        service.collaborators.metrics.login(service.name, "good")
        maillog.logged_in(service=service.name, account=account.address, peer=peer, mechanism=mechanism)
        self._line.logged_in()
        self._answer(ok("Logged in"))

    def _login_failed(self, error: Exception, spent: float) -> None:
        metrics, line = self._service.collaborators.metrics, self._line
        if not isinstance(error, XtramailError):
            raise error
        if isinstance(error, Unavailable):
            # Clients that know no response codes must not ask their user for another password: they are sent away.
            metrics.login(self._service.name, "busy")
            self._answer(refusal(error))
            line.connection.hang_up(refusal(error))
            return
        if not isinstance(error, BadCredentials):
            self._answer(refusal(error))
            return
        metrics.login(self._service.name, "refused")
        delay = self._delays.refused(error, spent=spent)
        octets = line.connection.send(refusal(error))
        if self._delays.refusals >= self._service.failures:
            line.connection.hang_up(replies.TOO_MANY_ERRORS)
        line.write_later(octets, delay)

    # Listings

    def stat(self, _event: events.Stat) -> None:
        maildrop = self._mail()

        def measured() -> None:
            sizes = [maildrop.size(number) for number in maildrop.numbers()]
            self._answer(ok(f"{len(sizes)} {sum(sizes)}"))

        self._line.stream(maildrop.measure(maildrop.numbers()), measured)

    def sizes(self, event: events.Sizes) -> None:
        self._list(event.number, lambda number: b"%d" % self._mail().size(number))

    def unique_ids(self, event: events.UniqueIds) -> None:
        self._list(event.number, self._mail().unique_id)

    def _list(self, number: int | None, what: Callable[[int], bytes]) -> None:
        """Both listings name the same messages: those that are found when they are measured."""
        maildrop = self._mail()
        if number is not None:
            one = number
            maildrop.unique_id(one)

            def answer_one() -> None:
                try:
                    maildrop.size(one)
                    self._answer(ok(f"{one} {what(one).decode('ascii')}"))
                except XtramailError as error:
                    self._answer(refusal(error))

            self._line.stream(maildrop.measure([one]), answer_one)
            return

        def answer_all() -> None:
            numbers = maildrop.numbers()
            self._answer(ok(f"{len(numbers)} messages"))
            self._line.stream(_lines(numbers, what), self._end_lines)

        self._line.stream(maildrop.measure(maildrop.numbers()), answer_all)

    def _end_lines(self) -> None:
        self._line.write(self._line.connection.end_lines())

    # Messages

    def retrieve(self, event: events.Retrieve) -> None:
        pieces = self._mail().text(event.number, event.lines)
        self._answer(ok("Message follows"))
        self._line.stream(pieces, self._end_lines)

    def delete(self, event: events.Delete) -> None:
        self._mail().mark(event.number)
        self._answer(ok("Marked, to be deleted at QUIT"))

    def reset(self, _event: events.Reset) -> None:
        self._mail().unmark_all()
        self._answer(ok("Nothing is marked"))

    # The end

    def quit(self, event: events.Quit) -> None:
        if not event.update:
            self._answer(ok("Goodbye"))
            return
        self._line.wait_for(self._mail().commit(), self._updated, on_error=self._not_updated)

    def _updated(self, count: int) -> None:
        if count:
            account = self._mail().session.account.address
            maillog.messages_deleted(service=self._service.name, account=account, count=count)
        self._answer(ok("Goodbye"))

    def _not_updated(self, error: Exception) -> None:
        if not isinstance(error, XtramailError):
            raise error
        # RFC 1939 §6: -ERR tells that some marked messages are still there (here: all of them).
        reply = refusal(error)
        self._answer(err(f"Nothing was deleted: {reply.text}", reply.code))


def refusal(error: XtramailError) -> Reply:
    """The one table from what can go wrong to POP3's answers (RFC 3206)."""
    if isinstance(error, BadCredentials):
        return err(error.text, Code.AUTH)
    return err(error.text, Code.TEMPORARY if isinstance(error, Unavailable) else Code.NONE)


def _lines(numbers: list[int], what: Callable[[int], bytes]) -> Iterator[bytes]:
    for start in range(0, len(numbers), _LINES_AT_ONCE):
        yield b"".join(replies.scan_line(number, what(number)) for number in numbers[start : start + _LINES_AT_ONCE])


_ACTIONS: dict[type[Waiting], Callable[[Pop3Dialogue, Any], None]] = {
    events.StartTls: Pop3Dialogue.start_tls,
    events.LogIn: Pop3Dialogue.log_in,
    events.Stat: Pop3Dialogue.stat,
    events.Sizes: Pop3Dialogue.sizes,
    events.UniqueIds: Pop3Dialogue.unique_ids,
    events.Retrieve: Pop3Dialogue.retrieve,
    events.Delete: Pop3Dialogue.delete,
    events.Reset: Pop3Dialogue.reset,
    events.Quit: Pop3Dialogue.quit,
}
