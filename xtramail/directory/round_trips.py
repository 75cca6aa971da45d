"""Which domains' primaries are tried by round trips of a canary: the rule of these settings."""

from __future__ import annotations

from xtramail.directory.domain_settings import switch, text
from xtramail.directory.imap_access import access_of
from xtramail.model.errors import BadInput
from xtramail.store.records import DomainRow

SWITCH = "canary-round-trip"


def wanted(domain: DomainRow) -> bool:
    """Whether round trips are made: it is switched on, and there is all that they need."""
    return switch(domain, SWITCH) and _possible(domain)


def _possible(domain: DomainRow) -> bool:
    """A canary is looked for by IMAP, in a mailbox of the domain at its primary."""
    inside = text(domain, "canary").rpartition("@")[2].lower() == domain.name
    return inside and bool(domain.primaries) and access_of(domain) is not None


def check(domain: DomainRow) -> None:
    """BadInput where a round trip is wanted that cannot be made."""
    if switch(domain, SWITCH) and not _possible(domain):
        raise BadInput(
            f"{SWITCH} on: it needs a primary, primary-imap=HOST, primary-imap-secret=- and canary=ADDRESS with an "
            f"address in {domain.name}; set them as well"
        )
