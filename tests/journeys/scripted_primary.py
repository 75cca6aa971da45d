"""A next hop that does what a test tells it: the customer's mail server in good and bad hours.

Made of asyncio streams and of nothing of xtramail's, so that a mistake in our engines cannot cancel itself out. Runs in
a thread of its own; everything may be called from the test's thread while mail comes in.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.journeys.primary_mailboxes import Mailboxes
from tests.journeys.scripted_server import ScriptedServer

Stage = Literal["banner", "ehlo", "starttls", "mail", "rcpt", "data", "final"]

_ADDRESS = re.compile(rb"<([^>]*)>")


@dataclass(frozen=True)
class Script:
    """What it does with each connection. The default accepts everything.

    ``replies`` answers a stage with that line; a 421 ends the connection, too. ``drop_at`` closes the connection
    instead of answering that stage ("final": after the dot, with the message kept; see ``discard``). ``hang_at`` never
    answers it. ``known`` are the recipients that exist, all when None. ``discard`` answers 250 and keeps nothing.
    ``greylist`` are recipients who are told 450 once, the first time that this script sees them.
    """

    replies: Mapping[Stage, str] = field(default_factory=dict)
    drop_at: Stage | None = None
    hang_at: Stage | None = None
    known: frozenset[str] | None = None
    discard: bool = False
    greylist: frozenset[str] = frozenset()
    certificate: ssl.SSLContext | None = None
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SIZE 104857600", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


@dataclass(frozen=True)
class Received:
    """One message as it came: envelope, octets after unstuffing, whether under TLS, and on which connection."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    tls: bool
    connection: int
    at: float


class ScriptedPrimary(ScriptedServer):
    """``with ScriptedPrimary() as primary``; port ``primary.port`` of 127.0.0.1 is its own until the end."""

    def __init__(self, script: Script | None = None, *, keep_octets: bool = True) -> None:
        super().__init__()
        self._script = script or Script()
        self._left = 0
        self._keep_octets = keep_octets
        self.mailboxes = Mailboxes()
        """What it took, in the INBOX of each recipient: for a ``ScriptedImap`` to show. Empty without octets."""
        self._lock = threading.Lock()
        self._messages: list[Received] = []
        self._asked: list[str] = []
        self._greylisted: set[str] = set()
        self._blackhole: list[socket.socket] = []

    # What a test asks for.

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def messages(self) -> list[Received]:
        """Everything received until now."""
        with self._lock:
            return list(self._messages)

    def copies(self, name: int | str) -> list[Received]:
        """Each time that it received the message so named (see :func:`tests.journeys.harness.mail`)."""
        return [one for one in self.messages if f"\r\nMessage-ID: <{name}@".encode() in one.octets]

    @property
    def taken(self) -> int:
        """How many messages were received until now."""
        with self._lock:
            return len(self._messages)

    @property
    def asked(self) -> list[str]:
        """Recipients of transactions that ended without DATA."""
        with self._lock:
            return list(self._asked)

    def meet_anew(self) -> None:
        """Forget what was received and close every connection, so that the next message comes on a new one."""
        self.refuse()
        self.accept()
        with self._lock:
            self._messages.clear()
            self._asked.clear()
        self.mailboxes.clear()

    def play(self, script: Script, *, messages: int = 0) -> None:
        """From the next command of each connection on; with ``messages``, until so many have come to their dot: what
        happens to one of them happens to no other, however late the test is."""
        self._greylisted.clear()
        self._script, self._left = script, messages

    def blackhole(self) -> None:
        """Nobody accepts: the backlog is full and a connection attempt is never answered."""
        self.refuse()
        trap = socket.socket()
        trap.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trap.bind(("127.0.0.1", self.port))
        trap.listen(0)
        self._blackhole.append(trap)
        for _ in range(2):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", self.port))
            self._blackhole.append(filler)

    # Its own thread.

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Session(self, reader, writer, self.connections).talk()

    async def _listen(self) -> None:
        self._stop_trapping()
        await super()._listen()

    async def _close(self) -> None:
        self._stop_trapping()
        await super()._close()

    def _stop_trapping(self) -> None:
        for one in self._blackhole:
            one.close()
        self._blackhole.clear()

    @property
    def script(self) -> Script:
        return self._script

    def take(self, message: Received) -> None:
        with self._lock:
            self._messages.append(message)
        if self._keep_octets:
            for recipient in message.recipients:
                self.mailboxes.deliver(recipient, message.octets)

    def dot(self) -> Script:
        """What is played for a message whose octets are all there."""
        played = self._script
        if self._left:
            self._left -= 1
            self._script = played if self._left else Script()
        return played

    def greylists(self, recipient: str) -> bool:
        """Whether this is the first time."""
        first = recipient in self._script.greylist and recipient not in self._greylisted
        self._greylisted.add(recipient)
        return first

    def question(self, recipients: list[str]) -> None:
        with self._lock:
            self._asked.extend(recipients)

    @property
    def keeps_octets(self) -> bool:
        return self._keep_octets


class _Over(ConnectionError):
    """The script ends the connection here."""


class _Session:
    def __init__(
        self, primary: ScriptedPrimary, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self._primary = primary
        self._reader = reader
        self._writer = writer
        self._number = number
        self._buffer = bytearray()
        self._tls = False
        self._sender: str | None = None
        """None: no transaction has begun."""
        self._recipients: list[str] = []

    async def talk(self) -> None:
        await self._stage("banner", "220 primary.test ESMTP")
        while True:
            line = await self._line()
            verb = line.split(b" ", 1)[0].split(b":", 1)[0].upper()
            if verb == b"QUIT":
                await self._say("221 2.0.0 Bye")
                return
            await self._command(verb, line)

    async def _command(self, verb: bytes, line: bytes) -> None:
        match verb:
            case b"EHLO":
                await self._stage("ehlo", self._hello())
            case b"HELO":
                await self._say("250 primary.test")
            case b"STARTTLS":
                await self._start_tls()
            case b"MAIL":
                self._sender, self._recipients = None, []
                if await self._stage("mail", "250 2.1.0 Ok"):
                    self._sender = _address(line)
            case b"RCPT":
                await self._recipient(_address(line))
            case b"DATA":
                await self._message()
            case b"RSET":
                self._reset()
                await self._say("250 2.0.0 Ok")
            case b"NOOP":
                await self._say("250 2.0.0 Ok")
            case _:
                await self._say("500 5.5.2 what?")

    def _hello(self) -> str:
        offers = list(self._primary.script.extensions)
        if self._primary.script.certificate is not None and not self._tls:
            offers.append("STARTTLS")
        lines = ["primary.test", *offers]
        return "\r\n".join(f"250{' ' if number == len(lines) else '-'}{one}" for number, one in enumerate(lines, 1))

    async def _start_tls(self) -> None:
        certificate = self._primary.script.certificate
        if certificate is None:
            await self._say("454 4.7.0 no TLS here")
            return
        if await self._stage("starttls", "220 2.0.0 Go ahead"):
            await self._writer.start_tls(certificate)
            self._buffer.clear()
            self._tls = True

    async def _recipient(self, address: str) -> None:
        known = self._primary.script.known
        if self._sender is None:
            # Its MAIL was refused by the script before this one, and the rest comes pipelined behind it.
            await self._say("503 5.5.1 no MAIL")
        elif known is not None and address.lower() not in known:
            await self._say("550 5.1.1 nobody of that name")
        elif self._primary.greylists(address.lower()):
            await self._say("450 4.7.1 greylisted, come again")
        elif await self._stage("rcpt", "250 2.1.5 Ok"):
            self._recipients.append(address)

    async def _message(self) -> None:
        if not self._recipients:
            await self._say("554 5.5.1 no valid recipients")
            return
        if not await self._stage("data", "354 go on"):
            return
        octets = await self._text()
        script = self._primary.dot()
        refused = "final" in script.replies
        sender, recipients = self._sender or "", tuple(self._recipients)
        if not refused and not script.discard:
            kept = octets if self._primary.keeps_octets else b""
            self._primary.take(Received(sender, recipients, kept, self._tls, self._number, time.time()))
        self._sender, self._recipients = None, []
        # Another script may be played by now: what is kept and what is said of it go together.
        await self._stage("final", "250 2.0.0 taken", script)

    async def _text(self) -> bytes:
        end = self._buffer.find(b"\r\n.\r\n") if not self._buffer.startswith(b".\r\n") else -2
        while end == -1:
            seen = max(len(self._buffer) - 4, 0)
            await self._fill()
            end = self._buffer.find(b"\r\n.\r\n", seen)
        stuffed = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        stuffed = stuffed[1:] if stuffed.startswith(b".") else stuffed
        return stuffed.replace(b"\r\n.", b"\r\n")

    def _reset(self) -> None:
        if self._recipients:
            self._primary.question(self._recipients)
        self._sender, self._recipients = None, []

    async def _stage(self, stage: Stage, usual: str, script: Script | None = None) -> bool:
        """Answer a stage as the script (None: the one that is played) says; whether it went well."""
        script = script or self._primary.script
        if script.hang_at == stage:
            await asyncio.sleep(3600)
        if script.drop_at == stage:
            raise _Over
        reply = script.replies.get(stage, usual)
        await self._say(reply)
        if reply.startswith("421"):
            raise _Over
        return reply[0] in "23"

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) == -1:
            await self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _fill(self) -> None:
        octets = await self._reader.read(262_144)
        if not octets:
            raise _Over
        self._buffer += octets


def _address(line: bytes) -> str:
    found = _ADDRESS.search(line)
    return found.group(1).decode("utf-8", "replace") if found else ""
