"""A client that says exactly the lines a test gives it, for what imaplib and smtplib cannot or will not say."""

from __future__ import annotations

import socket
import ssl
import time


class Line:
    """One connection to 127.0.0.1, plain or TLS, line by line. Waits at most ``patience`` seconds for anything."""

    def __init__(
        self, port: int, *, tls: ssl.SSLContext | None = None, patience: float = 90.0, source: str = ""
    ) -> None:
        """``source``: the address to come from, where that matters."""
        plain = socket.create_connection(("127.0.0.1", port), patience, (source, 0) if source else None)
        self.socket: socket.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self._buffer = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_tls(self, tls: ssl.SSLContext) -> None:
        self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._buffer = b""

    def say(self, text: str) -> None:
        self.socket.sendall(text.encode() + b"\r\n")

    def hear(self, *, within: float | None = None) -> str:
        """The next line without its end; empty when the other side has closed. TimeoutError when nothing comes."""
        deadline = None if within is None else time.monotonic() + within
        while b"\r\n" not in self._buffer:
            if deadline is not None:
                self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            octets = self.socket.recv(65_536)
            if not octets:
                return ""
            self._buffer += octets
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    def hear_until(self, start: str, *, within: float | None = None) -> list[str]:
        """Lines up to the one that begins with ``start``."""
        lines = []
        while True:
            lines.append(self.hear(within=within))
            assert lines[-1] or not start, f"closed before {start!r}: {lines}"
            if lines[-1].startswith(start):
                return lines

    def ask(self, text: str) -> str:
        """One SMTP command and the last line of its reply."""
        self.say(text)
        while (line := self.hear())[3:4] == "-":
            pass
        return line

    def command(self, tag: str, text: str) -> list[str]:
        """One IMAP command and every line up to its tagged answer."""
        self.say(f"{tag} {text}")
        return self.hear_until(f"{tag} ")

    def close(self) -> None:
        self.socket.close()
