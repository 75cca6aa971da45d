"""The rule of the canary that is put to a domain's primary, and which primaries are tried by its round trips."""

from __future__ import annotations

from xtramail.directory.domain_settings import switch, text
from xtramail.directory.imap_access import access_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store.records import DomainRow

SWITCH = "canary-round-trip"


def wanted(domain: DomainRow) -> bool:
    """Whether round trips are made: it is switched on, and there is all that they need."""
    return switch(domain, SWITCH) and _possible(domain)


def _possible(domain: DomainRow) -> bool:
    """A canary is looked for by IMAP, in a mailbox of the domain at its primary."""
    return bool(text(domain, "canary") and domain.primaries) and access_of(domain) is not None


def check(domain: DomainRow) -> None:
    """BadInput for a canary of another domain, which the primary would refuse and so seem to be down, and where a round
    trip is wanted that cannot be made."""
    canary = text(domain, "canary")
    if canary and Address.parse(canary).domain_key != domain.name:
        raise BadInput(f"canary {canary!r}: must be an address in {domain.name}, of a mailbox that its primary has")
    if switch(domain, SWITCH) and not _possible(domain):
        raise BadInput(
            f"{SWITCH} on: it needs a primary, primary-imap=HOST, primary-imap-secret=- and canary=ADDRESS with an "
            f"address in {domain.name}; set them as well"
        )
