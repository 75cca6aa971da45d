"""Octets over one non-blocking socket, plain or under TLS: the two have the same verbs.

Owns what OpenSSL wants to be asked and how its complaints are told. Owns no buffers, no reactor and no order of
closing: that is ``socket_transport``. Contexts are made in ``tls``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost

RECORD = 16_384
"""Most octets of one TLS record (RFC 8446 §5.1). OpenSSL gives one record a call, so a shorter answer was the last."""

_PLAIN_READ = 65_536

Octets = bytes | memoryview


class Blocked(Exception):
    """Nothing was done; ask again, for the very same, when the socket allows it."""


class Unreadable(Blocked):
    """When there is something to read."""


class Unwritable(Blocked):
    """When something can be written."""


class TlsFault(ConnectionLost):
    """The peer does not speak TLS as we do; says how, in OpenSSL's words."""

    def __str__(self) -> str:
        return f"TLS: {self.args[0]}"


class Channel(Protocol):
    """Every verb may raise Blocked, or ConnectionLost when there is no peer any more."""

    full: int
    """An answer of :meth:`receive` at least as long as this may not have been all."""

    def receive(self) -> bytes:
        """What came; empty: the peer will send no more."""

    def send(self, octets: Octets) -> int:
        """How many were taken. When not all: what is left has to be sent next, unchanged and no less of it."""

    def goodbye(self) -> bool:
        """Tell the peer that no more will come; whether nothing has to be heard from it any more."""


class PlainChannel:
    __slots__ = ("_socket",)

    full = _PLAIN_READ + 1
    """Never: the reactor asks again if there is more."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain

    def receive(self) -> bytes:
        try:
            return self._socket.recv(_PLAIN_READ)
        except BlockingIOError:
            raise Unreadable from None
        except OSError as error:
            raise ConnectionLost(error.strerror) from None

    def send(self, octets: Octets) -> int:
        try:
            return self._socket.send(octets)
        except BlockingIOError:
            raise Unwritable from None
        except OSError as error:
            raise ConnectionLost(error.strerror) from None

    def goodbye(self) -> bool:
        """TCP's own end says it, and the kernel delivers what we sent before."""
        return True


class _Binding:
    """OpenSSL's own reading and writing, as pyOpenSSL calls them.

    A command is a record in and a record out. Around each of them pyOpenSSL's ``recv`` and ``send`` make a fresh buffer
    of 16 KiB, a context and eight more calls of Python.
    """

    __slots__ = ("failed", "octets", "read", "room", "view", "write")

    def __init__(self) -> None:
        """AttributeError in a version of pyOpenSSL that names its parts otherwise."""
        module: Any = SSL
        self.read: Callable[[Any, Any, int], int] = module._lib.SSL_read
        self.write: Callable[[Any, Any, int], int] = module._lib.SSL_write
        self.view: Callable[[memoryview], Any] = module._ffi.from_buffer
        self.octets: Callable[[Any, int], Any] = module._ffi.buffer
        self.room = module._ffi.new("char[]", RECORD)
        """One for all: it is read in the reactor's thread alone, and copied before anybody else reads."""
        self.failed: Callable[[SSL.Connection, Any, int], None] = module.Connection._raise_ssl_error


def _binding() -> _Binding | None:
    try:
        return _Binding()
    except AttributeError:
        return None


_BINDING = _binding()


class TlsChannel:
    """TLS with its records written and read by OpenSSL itself: no copies between memory BIOs, none kept."""

    __slots__ = ("_binding", "_ssl", "connection")

    full = RECORD

    def __init__(self, connection: SSL.Connection) -> None:
        """``connection`` is on its socket, in the role it has, and does not write in parts (MODE_ENABLE_PARTIAL_WRITE):
        then one call takes many records."""
        self.connection = connection
        self._ssl: Any = getattr(connection, "_ssl", None)
        self._binding = _BINDING if self._ssl is not None else None

    def handshake(self) -> None:
        """Go on with it; Blocked until it is completed."""
        try:
            self.connection.do_handshake()
        except SSL.Error as error:
            raise _told(error) from None

    def receive(self) -> bytes:
        binding = self._binding
        try:
            if binding is None:
                return self.connection.recv(RECORD)
            count = binding.read(self._ssl, binding.room, RECORD)
            if count <= 0:
                binding.failed(self.connection, self._ssl, count)
            return binding.octets(binding.room, count)[:]  # type: ignore[no-any-return]
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise _told(error) from None

    def send(self, octets: Octets) -> int:
        binding = self._binding
        try:
            if binding is None:
                return self.connection.send(octets)
            told = octets if type(octets) is bytes else binding.view(octets)  # type: ignore[arg-type]
            count = binding.write(self._ssl, told, len(octets))
            if count <= 0:
                binding.failed(self.connection, self._ssl, count)
            return count
        except SSL.Error as error:
            raise _told(error) from None

    def goodbye(self) -> bool:
        """close_notify; a peer that is still sending must not have its close answered by a reset (RFC 8446 §6.1)."""
        try:
            return self.connection.shutdown()
        except SSL.Error as error:
            raise _told(error) from None


def _told(error: SSL.Error) -> Exception:
    """OpenSSL's complaint as ours."""
    if isinstance(error, SSL.WantReadError):
        return Unreadable()
    if isinstance(error, SSL.WantWriteError):
        return Unwritable()
    if isinstance(error, SSL.ZeroReturnError):
        return ConnectionLost("closed in the handshake")
    if isinstance(error, SSL.SysCallError):
        return ConnectionLost(str(error.args[-1]))
    reasons = error.args[0] if error.args else ()
    return TlsFault(", ".join(reason for _library, _function, reason in reasons) or "closed")


class _Gone:
    """The channel of a connection that is over."""

    full = 1

    def receive(self) -> bytes:
        raise ConnectionLost("gone")

    def send(self, octets: Octets) -> int:
        raise ConnectionLost("gone")

    def goodbye(self) -> bool:
        return True


GONE = _Gone()
