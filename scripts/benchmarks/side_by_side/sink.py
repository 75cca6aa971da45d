"""A host that takes every message and forgets it: where relayed mail goes. A process of its own, with its own costs."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType

_HELLO = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE\r\n"
_ANSWERS = {
    b"EHLO": _HELLO,
    b"HELO": b"250 sink.example\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
_END = b"\r\n.\r\n"


class Sink:
    """Listens on a port of 127.0.0.1 from the beginning of its block until the end."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port: int = self._listening.getsockname()[1]
        # Asks nothing of this process, which has threads.
        context = multiprocessing.get_context("spawn")
        self._taken: Synchronized[int] = context.Value("L", 0)
        self._process = context.Process(target=_serve, args=(self._listening, self._taken), daemon=True)

    @property
    def taken(self) -> int:
        """Messages so far."""
        return self._taken.value

    def __enter__(self) -> Sink:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join(10)
        self._listening.close()


def _serve(listening: socket.socket, taken: Synchronized[int]) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Taker(taken), sock=listening)
        await server.serve_forever()

    asyncio.run(run())


class _Taker(asyncio.Protocol):
    def __init__(self, taken: Synchronized[int]) -> None:
        self._taken = taken
        self._kept = b""
        self._in_text = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._kept += data
        answers = []
        while True:
            if self._in_text:
                end = self._kept.find(_END)
                if end < 0:
                    # Only what may be the beginning of the end is kept.
                    self._kept = self._kept[-(len(_END) - 1) :]
                    break
                self._kept = self._kept[end + len(_END) :]
                self._in_text = False
                with self._taken.get_lock():
                    self._taken.value += 1
                answers.append(b"250 2.0.0 taken\r\n")
                continue
            line, found, rest = self._kept.partition(b"\r\n")
            if not found:
                break
            self._kept = rest
            verb = line[:4].upper()
            # The line end before a period that stands alone may be that of DATA itself.
            self._in_text = verb == b"DATA"
            self._kept = b"\r\n" + rest if self._in_text else rest
            answers.append(_ANSWERS.get(verb, b"250 2.0.0 good\r\n"))
            if verb == b"QUIT":
                break
        if answers:
            self._transport.write(b"".join(answers))
            if answers[-1] is _ANSWERS[b"QUIT"]:
                self._transport.close()
