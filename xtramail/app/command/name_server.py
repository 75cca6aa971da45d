"""Questions to DNS from the command line: the machine's name servers, or the one that is named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import TimeoutError as TooLate
from twisted.names import client

from xtramail.app.command.on_reactor import run_on_reactor
from xtramail.model.errors import Unavailable
from xtramail.model.host import parse_host
from xtramail.net.adapter import deferred
from xtramail.net.dns import TextLookup

SECONDS = 5.0
"""For each question."""


def texts(names: Iterable[str], nameserver: str | None) -> dict[str, list[str] | str]:
    """The TXT records at each of ``names``, or why nobody can say. ``nameserver`` is ``HOST[:PORT]``."""

    async def ask(reactor: Any) -> dict[str, list[str] | str]:
        servers = [parse_host(nameserver, 53)] if nameserver else None
        try:
            resolver = client.Resolver(  # type: ignore[no-untyped-call]
                resolv=None if servers else "/etc/resolv.conf", servers=servers, reactor=reactor
            )
        except (OSError, ValueError) as error:
            return dict.fromkeys(names, f"no name server can be asked: {error}")
        lookup = TextLookup(resolver)
        return {name: await _texts(reactor, lookup, name) for name in names}

    return run_on_reactor(ask)


async def _texts(reactor: Any, lookup: TextLookup, name: str) -> list[str] | str:
    try:
        found: list[str] = await deferred(lookup.texts(name)).addTimeout(SECONDS, reactor)
    except Unavailable as error:
        return error.text
    except (TooLate, TimeoutError):
        return f"no name server answered in {SECONDS:g} s"
    return found
