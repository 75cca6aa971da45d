"""What a listening socket leads to: nothing before it is opened, then protocols, each with the transport it needs.

Owns the choice between ``socket_transport`` and Twisted's own TLS. Owns no sockets (``app`` binds them, often as root
and before the store is open) and no protocols.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from xtramail.net.descriptors import DescriptorReserve
from xtramail.net.socket_transport import SocketTransport
from xtramail.net.tls import ServerContexts

AT_ONCE = 4
"""Connections that a port accepts in one turn."""


class Door(Factory):
    """Give it to an endpoint that went through :meth:`fitted`. May stand at several."""

    noisy = False

    def __init__(self, *, direct: bool, reserve: DescriptorReserve | None = None) -> None:
        """``direct``: read and write TCP sockets ourselves, with TLS on them. False: Twisted's own transports, which
        know nothing of ``reserve``."""
        self._direct = direct
        self._reserve = reserve
        self._inside: Factory | None = None
        self._wrapped: Any = None
        self._contexts: ServerContexts | None = None

    def open(self, factory: Factory, *, contexts: ServerContexts | None = None) -> None:
        """From now on ``factory`` has the connections; with ``contexts``, under TLS from the first octet."""
        self._inside, self._contexts = factory, contexts
        if contexts is not None:
            self._wrapped = TLSMemoryBIOFactory(cast(Any, contexts), False, cast(Any, factory))
            self._wrapped.noisy = False

    def fitted(self, endpoint: Any) -> Any:
        """The IStreamServerEndpoint, made to use our transport where that is wanted and the socket is TCP's."""
        return _Fitted(endpoint, self) if self._direct else endpoint

    def fit(self, port: Any) -> IListeningPort:
        """One that listens with this door already."""
        # A unix.Port is a tcp.Port, too, but hands over other addresses and passes descriptors.
        if self._direct and type(port) is tcp.Port:
            cast(Any, port).transport = self.transport
            # It listens already; whoever made it (strports, systemd's socket) knows one class of ports.
            port.__class__ = _Listening
            if self._reserve is not None:
                self._reserve.keep(port)
        return cast(IListeningPort, port)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Asked before there is a transport. Unix sockets have Twisted's, and its TLS."""
        if self._inside is None:
            return None
        direct = self._direct and getattr(addr, "type", "") == "TCP"
        return (self._inside if direct or self._contexts is None else self._wrapped).buildProtocol(addr)

    def transport(
        self, accepted: Any, protocol: Any, client: Any, port: Any, number: int, reactor: Any
    ) -> SocketTransport:
        """What ``tcp.Port`` calls for the transport of a connection that it has accepted."""
        if self._reserve is not None:
            self._reserve.accepted(accepted.fileno())
        made = SocketTransport(accepted, protocol, client, port, number, reactor)
        if self._contexts is not None:
            made.startTLS(self._contexts)
        return made


class _Listening(tcp.Port):
    """Accepts few at a time: others have their turn between, and ``descriptors`` can stop it before all are used up."""

    _accepts = AT_ONCE

    @property
    def numberAccepts(self) -> int:
        """What tcp.Port asks; it would let this grow by 20 whenever it was not enough."""
        return self._accepts

    @numberAccepts.setter
    def numberAccepts(self, count: int) -> None:
        self._accepts = min(count, AT_ONCE)


@implementer(IStreamServerEndpoint)
class _Fitted:
    def __init__(self, endpoint: Any, door: Door) -> None:
        self._endpoint = endpoint
        self._door = door

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory)
        return listening.addCallback(self._door.fit)
