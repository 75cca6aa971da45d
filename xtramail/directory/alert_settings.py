"""Settings of who is told of a domain's alerts: their rules, and what holds between them.

Owns no telling: that is ``delivery/alerts``'.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.hook_url import check_hook_url
from xtramail.store.aliases import served_as
from xtramail.store.engine import Engine
from xtramail.store.records import DomainRow

MAIL, WEBHOOK, SECRET = "alert-mail", "alert-webhook", "alert-secret"
MOST_ADDRESSES = 20
SHORTEST_SECRET = 16
_SECRET_OCTETS = 24


def addresses(value: str) -> str:
    """A comma list, made regular; ValueError names the one that is none."""
    try:
        found = [str(Address.parse(one)) for one in value.replace(",", " ").split()]
    except BadInput as error:
        raise ValueError(error.text) from None
    if len(found) > MOST_ADDRESSES:
        raise ValueError(f"at most {MOST_ADDRESSES} addresses; name a list of yours instead")
    return ",".join(dict.fromkeys(found))


def webhook(value: str) -> str:
    """A URL; empty: none."""
    return check_hook_url(value) if value else ""


def secret(value: str) -> str:
    if len(value) < SHORTEST_SECRET:
        raise ValueError(f"at least {SHORTEST_SECRET} characters, so that nobody guesses it")
    return value


def refuse_served(engine: Engine, given: str, *, setting: str = MAIL) -> None:
    """BadInput for an address in a domain that is served here: in its outage nobody would read it in time.

    One that somebody added and did not prove to be his keeps nobody from naming the true one.
    """
    for one in filter(None, given.split(",")):
        name = Address.parse(one).domain_key
        if served_as(engine, name) is not None:
            raise BadInput(
                f"{setting} {one}: {name} is served here, and in an outage its mail waits; "
                f"name an address somewhere else, such as one at your provider"
            )


def missing_secret(row: DomainRow, changes: Mapping[str, str]) -> str:
    """A new secret for a domain whose webhook would have none after ``changes``; empty when it needs none."""
    after = {**row.settings, **changes}
    wanted = after.get(WEBHOOK, "") and not after.get(SECRET, "")
    return secrets.token_urlsafe(_SECRET_OCTETS) if wanted else ""
