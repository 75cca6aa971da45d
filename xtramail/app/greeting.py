"""The first words of a server, asked from here: whether one answers at a place at all, and with what."""

from __future__ import annotations

import socket
import ssl

CONNECT_SECONDS = 5.0


def greeting(place: tuple[str, int], *, tls: bool = False) -> bytes:
    """The first octets that a server says. OSError when it does not."""
    with socket.create_connection(place, CONNECT_SECONDS) as connection:
        connection.settimeout(CONNECT_SECONDS)
        if not tls:
            return connection.recv(512)
        # Whether it speaks TLS at all: its certificate is looked at as a file, whatever name it is for.
        contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        contexts.check_hostname = False
        contexts.verify_mode = ssl.CERT_NONE
        with contexts.wrap_socket(connection) as wrapped:
            return wrapped.recv(512)


def reason_of(error: OSError) -> str:
    return error.strerror or str(error) or "no answer"


def first_line(said: bytes) -> str:
    """For people."""
    return said.split(b"\r\n")[0].decode("ascii", "replace") if said else "nothing"
