"""A port of 127.0.0.1 that a test opens and closes, and the thread in which its connections are served."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from tests.journeys.harness import free_ports

T = TypeVar("T")


class ScriptedServer:
    """``with ... as server``; ``server.port`` is its own until the end. Override :meth:`talk`."""

    tls: ssl.SSLContext | None = None
    """Of connections from their first octet on."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        """How many came until now."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(90)
        self._loop.close()

    def accept(self) -> None:
        """Listen, on the same port as before."""
        self._wait(self._listen)

    def refuse(self) -> None:
        """Close the port and every connection."""
        self._wait(self._close)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        raise AssertionError("a server says something")

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _wait(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it in the server's thread."""
        done: Future[T] = Future()

        async def run() -> None:
            try:
                done.set_result(await work())
            except BaseException as error:
                done.set_exception(error)

        asyncio.run_coroutine_threadsafe(run(), self._loop)
        return done.result(90)

    async def _listen(self) -> None:
        if self._server is not None:
            return
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Not one of the kernel's: it would give that to somebody else while this server refuses.
        self.port = self.port or free_ports(1)[0]
        listening.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(
            self._connected, sock=listening, ssl=self.tls, limit=1 << 27, backlog=100
        )

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for session in list(self._sessions):
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._server is None:
            # It came in at the moment in which the port was closed.
            writer.transport.abort()
            return
        self._sessions.add(task)
        self.connections += 1
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError, TimeoutError):
            pass
        finally:
            self._sessions.discard(task)
            transport: Any = writer.transport
            transport.abort()
