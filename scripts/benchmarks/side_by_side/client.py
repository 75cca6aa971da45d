"""A lean IMAP client for load: one blocking socket, answers as octets, nothing parsed that nobody asks for."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator

_READ = 256 * 1024
_LINE = 16 * 1024
"""Longer than any tagged line: a QRESYNC or COPYUID of hundreds of UIDs is in one."""


class Unexpected(RuntimeError):
    """The server said something else than OK."""


class Client:
    """One connection; the greeting is read when it is made. Unexpected for every answer that is not OK."""

    def __init__(self, port: int, context: ssl.SSLContext | None, *, session: ssl.SSLSession | None = None) -> None:
        """Without a ``context`` there is no TLS; ``session`` of an earlier connection is offered for resumption."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self._socket = context.wrap_socket(self._socket, server_hostname="localhost", session=session)
        self._buffer = bytearray(_READ)
        self._number = 0
        self._ahead = b""
        self.line()

    @property
    def tls(self) -> ssl.SSLSocket:
        """The socket of a connection with TLS."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket

    def line(self) -> bytes:
        """The next line, as it comes."""
        while b"\r\n" not in self._ahead:
            piece = self._socket.recv(_READ)
            if not piece:
                raise Unexpected("the server closed the connection")
            self._ahead += piece
        line, _, self._ahead = self._ahead.partition(b"\r\n")
        return line

    def command(self, text: bytes, literal: bytes | None = None) -> bytes:
        """Send one command, with a non-synchronizing literal at its end where given; everything until its OK."""
        tag = self.send(text, literal)
        return self.answer(tag)

    def send(self, text: bytes, literal: bytes | None = None) -> bytes:
        """Send and do not wait; the tag, for :meth:`answer`."""
        self._number += 1
        tag = b"T%06dx" % self._number
        if literal is None:
            self._socket.sendall(b"%b %b\r\n" % (tag, text))
        else:
            self._socket.sendall(b"%b %b {%d+}\r\n%b\r\n" % (tag, text, len(literal), literal))
        return tag

    def answer(self, tag: bytes) -> bytes:
        """What comes until the last line begins with ``tag``; for one command at a time."""
        return b"".join(self._pieces(tag))

    def volume(self, text: bytes) -> int:
        """As :meth:`command`; the octets of the answer, none of which are kept."""
        return sum(map(len, self._pieces(self.send(text))))

    def _pieces(self, tag: bytes) -> Iterator[bytes]:
        """What comes, as it comes, until its last line begins with ``tag``."""
        got, self._ahead = self._ahead, b""
        tail = b""
        while True:
            if got:
                yield got
                # A line may come in pieces, its very end too.
                tail = (tail + got[-_LINE:])[-_LINE:]
                before = tail.rfind(b"\r\n", 0, -2)
                last = tail[before + 2 :] if before >= 0 else tail
                if tail.endswith(b"\r\n") and last.startswith(tag + b" "):
                    if not last.startswith(tag + b" OK"):
                        raise Unexpected(last.decode("utf-8", "replace"))
                    return
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise Unexpected("the server closed the connection")
            got = bytes(memoryview(self._buffer)[:size])

    def login(self, user: str) -> bytes:
        return self.command(f'LOGIN "{user}" "{PASSWORD}"'.encode())

    def logout(self) -> None:
        self.command(b"LOGOUT")
        self.close()

    def close(self) -> None:
        self._socket.close()

    def append_all(self, messages: Iterable[tuple[bytes, bytes]]) -> None:
        """APPEND each (what stands before the literal, the message), sixteen under way at once."""
        window: list[bytes] = []
        for place, message in messages:
            window.append(self.send(b"APPEND " + place, message))
            if len(window) == 16:
                self._drain(window)
        self._drain(window)

    def _drain(self, window: list[bytes]) -> None:
        for tag in window:
            while True:
                line = self.line()
                if line.startswith(tag + b" "):
                    if not line.startswith(tag + b" OK"):
                        raise Unexpected(line.decode("utf-8", "replace"))
                    break
        window.clear()


PASSWORD = "correct-horse-battery"
"""Of every user."""
