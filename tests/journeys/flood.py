"""One hostile address, in a process of its own: it floods a server in one of several ways until its input is closed.

``python flood.py KIND SOURCE PORTS [ACCOUNT PASSWORD]``; ``PORTS`` is JSON, service and port. Says ``ready`` when the
flood stands, and at the end how often it had connected. Owns no judgement: what others notice of it is the tests'.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator

SERVER = "127.0.0.1"
PLAIN = ("smtp", "submission")
SECURE = ("submissions", "imaps", "pop3s")
HELD = 40
"""Connections held open at each port, far more in all than one address may have."""
AGAIN = 0.2
"""Seconds until one that was closed is opened anew."""
ENDED = (OSError, ssl.SSLError, ValueError)

Connect = Callable[[], socket.socket]


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Flood:
    def __init__(self, source: str, ports: dict[str, int], account: str = "", password: str = "") -> None:
        self.source = source
        self.ports = ports
        self.account = account
        self.password = password
        self.over = threading.Event()
        self.connected = 0
        self._tls = trusting()

    # What one connection is.

    def plain(self, service: str, *, small: bool = False) -> socket.socket:
        made = socket.socket()
        made.settimeout(10)
        if small:
            # The kernel's own buffers would hide for megabytes that nothing is read.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        made.bind((self.source, 0))
        try:
            made.connect((SERVER, self.ports[service]))
        except OSError:
            made.close()
            raise
        self.connected += 1
        return made

    def secure(self, service: str, *, small: bool = False) -> ssl.SSLSocket:
        raw = self.plain(service, small=small)
        try:
            return self._tls.wrap_socket(raw)
        except ENDED:
            raw.close()
            raise

    def begun(self, service: str) -> socket.socket:
        """A connection at which this service expects commands."""
        return self.plain(service) if service in PLAIN else self.secure(service)

    # Kinds. Each is one connection's life: it ends by an error, or when the flood is over.

    def idle(self, service: str) -> None:
        with self.plain(service) as one:
            self._hold(one)

    def half(self, service: str) -> None:
        """A command or a handshake begun, and on every other connection our side closed."""
        with self.plain(service) as one:
            one.sendall(b"EHLO half" if service in PLAIN else b"\x16\x03\x01\x02")
            if self.connected % 2:
                one.shutdown(socket.SHUT_WR)
            self._hold(one)

    def slow(self, service: str) -> None:
        """An octet now and then, of a command that never ends."""
        with self.begun(service) as one:
            while not self.over.wait(0.1):
                one.sendall(b"X")

    def unread(self, service: str) -> None:
        """Commands as fast as they are taken, and no answer is read."""
        with self.plain(service, small=True) if service in PLAIN else self.secure(service, small=True) as one:
            text = {"imaps": b"a NOOP\r\n", "pop3s": b"CAPA\r\n"}.get(service, b"EHLO unread.example\r\n") * 200
            one.settimeout(0.5)
            while not self.over.is_set():
                with contextlib.suppress(TimeoutError):
                    one.send(text)

    def unread_mail(self, _service: str) -> None:
        """Logged in, and asking for everything again and again without reading any of it."""
        with self.secure("imaps", small=True) as one:
            one.sendall(f'a LOGIN {self.account} "{self.password}"\r\nb SELECT INBOX\r\n'.encode())
            one.settimeout(0.5)
            while not self.over.is_set():
                with contextlib.suppress(TimeoutError):
                    one.send(b"c UID FETCH 1:* (BODY.PEEK[])\r\n")

    def handshakes(self, service: str) -> None:
        """The server answers with its certificate, and never hears of us again."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = self._tls.wrap_bio(incoming, outgoing)
        with contextlib.suppress(ssl.SSLWantReadError):
            hello.do_handshake()
        with self.plain(service) as one:
            if service in PLAIN:
                one.sendall(b"EHLO stalled.example\r\n")
                time.sleep(0.05)
                one.sendall(b"STARTTLS\r\n")
                time.sleep(0.05)
            one.sendall(outgoing.read())
            self._hold(one)

    def keys(self, service: str) -> None:
        """TLS 1.3 KeyUpdate after KeyUpdate."""
        with openssl(self.plain(service)) as (library, connection):
            while not self.over.is_set():
                library.SSL_key_update(connection, 1)
                if library.SSL_do_handshake(connection) != 1:
                    raise OSError("gone")

    def renegotiation(self, service: str) -> None:
        """TLS 1.2 handshake after handshake on one connection."""
        with openssl(self.plain(service), newest=0x0303) as (library, connection):
            while not self.over.is_set():
                library.SSL_renegotiate(connection)
                if library.SSL_do_handshake(connection) != 1 or library.SSL_write(connection, b"\r\n", 2) != 2:
                    raise OSError("gone")

    def churn(self, service: str) -> None:
        """Come and go."""
        while not self.over.is_set():
            self.plain(service).close()

    def guesses(self, service: str) -> None:
        """Passwords, for accounts that are there and that are not."""
        with self.begun(service if service in SECURE else "imaps") as one:
            number = 0
            while not self.over.is_set():
                number += 1
                who = self.account if number % 2 else f"nobody{number}@example.test"
                one.sendall(f"a{number} LOGIN {who} guess{number}\r\n".encode())
                if not one.recv(65_536):
                    raise OSError("gone")

    def _hold(self, one: socket.socket) -> None:
        one.settimeout(0.5)
        while not self.over.is_set():
            try:
                if not one.recv(65_536):
                    # They closed their side; ours stays open for as long as they let it.
                    self.over.wait(1)
                    return
            except TimeoutError:
                pass

    def run(self, life: Callable[[str], None], services: tuple[str, ...], held: int) -> list[threading.Thread]:
        def again(service: str) -> None:
            while not self.over.is_set():
                with contextlib.suppress(*ENDED):
                    life(service)
                self.over.wait(AGAIN)

        workers = [threading.Thread(target=again, args=(name,), daemon=True) for _ in range(held) for name in services]
        for worker in workers:
            worker.start()
        return workers


@contextlib.contextmanager
def openssl(raw: socket.socket, *, newest: int = 0x0304) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p]]:
    """OpenSSL itself, because Python's module can neither change keys nor negotiate again."""
    library = ctypes.CDLL(ctypes.util.find_library("ssl"))
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(library, name).restype = ctypes.c_void_p
    contexts = ctypes.c_void_p(library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method())))
    connection = ctypes.c_void_p(library.SSL_new(contexts))
    # A descriptor with a time limit is one that does not wait.
    raw.settimeout(None)
    library.SSL_ctrl(connection, 124, newest, None)  # SSL_CTRL_SET_MAX_PROTO_VERSION
    library.SSL_set_fd(connection, raw.fileno())
    try:
        if library.SSL_connect(connection) != 1:
            raise OSError("no handshake")
        yield library, connection
    finally:
        library.SSL_free(connection)
        library.SSL_CTX_free(contexts)
        raw.close()


ALL = (*PLAIN, *SECURE)
KINDS: dict[str, tuple[Callable[[Flood, str], None], tuple[str, ...], int]] = {
    "idle": (Flood.idle, ALL, HELD),
    "half-open": (Flood.half, ALL, HELD),
    "slow": (Flood.slow, ALL, 10),
    "unread": (Flood.unread, ALL, 8),
    "unread-mail": (Flood.unread_mail, ("imaps",), 55),
    "handshakes": (Flood.handshakes, ALL, HELD),
    "keys": (Flood.keys, SECURE, 3),
    "renegotiation": (Flood.renegotiation, SECURE, 3),
    "churn": (Flood.churn, ALL, 1),
    "guesses": (Flood.guesses, ("imaps",), 20),
}
"""What each does, at which services, and how often at once."""


def main() -> None:
    kind, source, ports, *login = sys.argv[1:]
    flood = Flood(source, json.loads(ports), *login)
    life, services, held = KINDS[kind]
    flood.run(lambda service: life(flood, service), services, held)
    time.sleep(1.5)
    print("ready", flush=True)
    sys.stdin.read()
    flood.over.set()
    print(flood.connected, flush=True)


if __name__ == "__main__":
    main()
