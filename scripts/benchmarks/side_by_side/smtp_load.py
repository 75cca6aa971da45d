"""A lean SMTP sender for load: blocking sockets, a thread a connection, nothing composed while the clock runs."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from itertools import count

_REPLY = 64 * 1024


class Refused(RuntimeError):
    """The server said something else than what lets the message through."""


class Sender:
    """Sends a corpus over and over, each time under a new trace line, to recipients in turns."""

    def __init__(self, port: int, corpus: Sequence[bytes], *, tls: ssl.SSLContext | None) -> None:
        """``corpus`` are whole messages with CRLF line ends; ``tls``: STARTTLS comes before the first message."""
        self._port = port
        self._tls = tls
        # RFC 5321 §4.5.2: a period that begins a line is doubled, and one alone is the end.
        self._texts = [message.replace(b"\r\n.", b"\r\n..") + b".\r\n" for message in corpus]

    def send(self, messages: int, recipients: Sequence[str], *, connections: int, each: int = 0) -> int:
        """Send so many, over ``connections`` at once; the octets of all. A new connection after ``each``; 0: never.

        Refused, or OSError, when one of them did not go through.
        """
        turns = count()
        octets = [0] * connections
        failed: list[Exception] = []

        def work(place: int) -> None:
            line: _Line | None = None
            sent = 0
            try:
                while (number := next(turns)) < messages and not failed:
                    line = line or _Line(self._port, self._tls)
                    octets[place] += line.deliver(
                        recipients[number % len(recipients)], self._texts[number % len(self._texts)], number
                    )
                    sent += 1
                    if sent == each:
                        line.quit()
                        line, sent = None, 0
                if line is not None:
                    line.quit()
            except (OSError, Refused) as problem:
                failed.append(problem)

        threads = [threading.Thread(target=work, args=[place], daemon=True) for place in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return sum(octets)


class _Line:
    """One connection that was greeted."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect(b"220")
        self._say(b"EHLO sender.example\r\n", b"250")
        if tls is not None:
            self._say(b"STARTTLS\r\n", b"220")
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
            self._say(b"EHLO sender.example\r\n", b"250")

    def deliver(self, recipient: str, text: bytes, number: int) -> int:
        """One message, its commands in one go (RFC 2920 §3.1); its octets."""
        envelope = f"MAIL FROM:<bob{number % 50}@sender.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        self._say(envelope.encode(), b"250", b"250", b"354")
        trace = (
            b"Received: from client.sender.example (client.sender.example [192.0.2.7])\r\n"
            b"\tby sender.example with ESMTPS id %010X; Mon, 02 Nov 2026 10:00:00 +0000\r\n" % number
        )
        self._say(trace + text, b"250")
        return len(trace) + len(text)

    def quit(self) -> None:
        self._say(b"QUIT\r\n", b"221")
        self._socket.close()

    def _say(self, octets: bytes, *codes: bytes) -> None:
        self._socket.sendall(octets)
        self._expect(*codes)

    def _expect(self, *codes: bytes) -> None:
        """Read until each of ``codes`` was answered, in that order."""
        got = b""
        while True:
            # RFC 5321 §4.2.1: the last line of a reply has no hyphen behind its code.
            if got.endswith(b"\r\n"):
                last = [line for line in got.split(b"\r\n") if line[3:4] != b"-" and line]
                if len(last) >= len(codes) or not all(map(bytes.startswith, last, codes)):
                    if [line[:3] for line in last] != list(codes):
                        raise Refused(got.decode("utf-8", "replace"))
                    return
            piece = self._socket.recv(_REPLY)
            if not piece:
                raise Refused(f"the server closed the connection; it had said {got!r}")
            got += piece
