"""The way of our own mail to people outside of all domains served here: who must hear of an outage while it goes on."""

from __future__ import annotations

from xtramail.delivery.policy import Route
from xtramail.directory.directory import Directory
from xtramail.model.address import Address
from xtramail.model.envelope import ForwardPath
from xtramail.model.errors import BadInput


def outside_route(directory: Directory, target: str) -> Route | str:
    """Where mail for ``target`` goes, or why it goes nowhere. Nobody is told when it fails."""
    try:
        address = Address.parse(target)
    except BadInput as error:
        return error.text
    if directory.domain(address.domain) is not None:
        return f"it lies in {address.domain}, which is served here: in an outage nobody would read it in time"
    path = ForwardPath(address=address, notify=("NEVER",))
    return Route(path=path, domain=None, accounts=(), relay=True, destination=address.domain_key)
