"""Connections of ours by which no more than so many octets may come: who answers without end is cut.

What takes answers apart (Twisted's HTTP client) bounds each line of a header, and not how many there are. Owns the
count; which bound fits is for whoever connects.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer


class CountedLine(ProtocolWrapper):
    """Between a transport and its protocol."""

    def __init__(self, factory: Any, wrapped: Any, *, most: int) -> None:
        super().__init__(factory, wrapped)
        self._most = most
        self._read = 0

    def dataReceived(self, data: bytes) -> None:
        self._read += len(data)
        if self._read > self._most:
            self.cut()
            return
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def cut(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


@implementer(IStreamClientEndpoint)
class CountedEndpoint:
    """``endpoint``, whose connections are counted: at most ``most`` octets, as they come out of TLS."""

    def __init__(self, endpoint: Any, *, most: int) -> None:
        self._endpoint = endpoint
        self._most = most
        self._line: CountedLine | None = None

    def connect(self, factory: Any) -> Deferred[Any]:
        """As an endpoint does."""
        counted = WrappingFactory(factory)  # type: ignore[no-untyped-call]
        counted.noisy = False
        counted.protocol = partial(CountedLine, most=self._most)
        connecting: Deferred[Any] = self._endpoint.connect(counted)
        return connecting.addCallback(self._connected)

    def _connected(self, line: CountedLine) -> Any:
        self._line = line
        return line.wrappedProtocol

    def cut(self) -> None:
        """The connection made last, where there is one."""
        if self._line is not None:
            self._line.cut()
