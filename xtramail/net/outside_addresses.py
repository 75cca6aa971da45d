"""Where a host is whose name somebody gave who may not have this machine connect to its own network.

The name is looked up once, and what is connected to is what was found then: a name that leads elsewhere a moment later
gains nothing by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IResolutionReceiver
from zope.interface import implementer

from xtramail.model.world_address import is_of_the_world
from xtramail.net.smtp_line import LineLost

INSIDE = "leads into this server's own network, for which an operator has to allow it: domain set NAME inside-hosts=on"


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.ended: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: object) -> None: ...

    def addressResolved(self, address: Any) -> None:
        self.found.append(address.host)

    def resolutionComplete(self) -> None:
        if not self.ended.called:
            self.ended.callback(self.found)


async def outside_addresses(reactor: Any, host: str, *, seconds: float) -> Sequence[str]:
    """The addresses of ``host`` that lie in the world, at least one. LineLost where none is found in ``seconds``."""
    receiver = _Receiver()
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:
        raise LineLost(f"connect: {host} is no host name: {error}") from None
    reactor.nameResolver.resolveHostName(receiver, name)
    try:
        found = await receiver.ended.addTimeout(seconds, reactor)
    except TimeoutError:
        raise LineLost(f"connect: {host} was not found in {seconds:g} s") from None
    if not found:
        raise LineLost(f"connect: {host} is not found")
    outside = [one for one in found if is_of_the_world(one)]
    if not outside:
        raise LineLost(f"connect: {host} {INSIDE}")
    return outside
