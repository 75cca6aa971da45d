"""In the name of which domain a domain's mail is forwarded to the world: its own, or one that nobody writes as.

A rewritten sender makes SPF of the next host pass for its domain. Where that is the domain of people, a message with a
forged From of theirs that an alias sends on passes DMARC as theirs (RFC 7489 §3.1.2); under the name of a domain
without people nothing is lent. Owns the setting and its rule; senders are rewritten by ``rewriting``.
"""

from __future__ import annotations

from xtramail.directory.desk import Desk
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput, NoSuchDomain, NotPermitted
from xtramail.store import domains
from xtramail.store.records import DomainRow

AS = "forward-as"


def name_of(value: str) -> str:
    """``forward-as`` made regular. BadInput."""
    return domain_key(value)


def not_served(value: str) -> str:
    """What is said of one that is not served here: a report of the next host would come back to nobody."""
    return f"{AS} {value}: must be a domain that is served here; first: xtramail domain add {value}"


def require_served(desk: Desk, value: str) -> None:
    """BadInput for one that is not served here, as far as the actor may see; empty is the domain itself."""
    if not value:
        return
    try:
        row = desk.domain(value)
    except NoSuchDomain:
        raise BadInput(not_served(value)) from None
    if row.unverified:
        raise BadInput(f"{AS} {value}: is not served before it is proved; first: xtramail domain verify {value}")


def forwarding_as(row: DomainRow) -> str:
    """The domain (key) that ``row`` names; empty: itself."""
    return row.settings.get(AS, "")


def refuse_while_forwarding(desk: Desk, name: str) -> None:
    """NotPermitted while mail of other domains is forwarded in the name of a domain (key)."""
    others = [row for row in domains.domain_rows(desk.engine) if forwarding_as(row) == name != row.name]
    seen = [row.name for row in others if desk.sees(row)]
    if seen:
        raise NotPermitted(
            f"domain {name}: mail of {seen[0]} is forwarded in its name; first: xtramail domain set {seen[0]} {AS}="
        )
    if others:
        raise NotPermitted(f"domain {name}: mail of another's domain is forwarded in its name; ask an operator")
