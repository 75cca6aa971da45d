"""What the dialogue of an IMAP connection asks of its transport; ``imap_server`` is one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

from xtramail.model.peer import Peer
from xtramail.model.pending import Pending
from xtramail.net.smtp_pace import TextPace
from xtramail.wire.imap.server import ImapServerConnection

T = TypeVar("T")
OnError = Callable[[Exception], None]


class Line(Protocol):
    """The transport side of the connection."""

    peer: Peer
    connection: ImapServerConnection
    pace: TextPace
    """Of a message that comes in."""

    def write(self, octets: bytes) -> None:
        """In order, in as few pieces as possible."""

    def write_later(self, octets: bytes, delay: float) -> None:
        """After ``delay`` seconds; the client's next command waits as long."""

    def wait_for(self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None], *, on_error: OnError) -> None:
        """Go on with ``then(result)``, or ``on_error(error)``; the client's next command waits."""

    def hold_for(self, pending: Pending[None]) -> None:
        """Read no more until it is done, whatever comes of it."""

    def stream(self, pieces: Iterator[bytes], then: Callable[[Exception | None], None]) -> None:
        """Write the pieces as fast as the client takes them, then go on."""

    def hang_up(self, text: str, code: bytes = b"") -> None:
        """BYE and close."""

    def logged_in(self) -> None: ...

    def compress(self) -> None:
        """Deflate both ways, behind what was written."""
