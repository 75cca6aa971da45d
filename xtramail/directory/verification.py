"""Proof that a domain is his who added it: a TXT record that only who runs its DNS can publish.

A domain that an admin added is not served before; one that an operator added needs no proof. What has to stand in DNS
is made from the server's key, the domain and its tenant: nobody can prepare it, and no other tenant can use it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from xtramail.directory.desk import Change, Desk
from xtramail.directory.keyring import Keyring
from xtramail.model.actor import Role
from xtramail.model.errors import NoSuchDomain, NotPermitted
from xtramail.store import domains, keys
from xtramail.store.engine import Txn
from xtramail.store.records import DomainRow

LABEL = "_xtramail"
PREFIX = "xtramail-verify="
_OCTETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The record that is to be published: TXT ``value`` at ``name``."""

    domain: str
    name: str
    value: str
    verified: bool

    @property
    def zone_line(self) -> str:
        return f'{self.name}. IN TXT "{self.value}"'


def challenge_of(desk: Desk, name: str, keyring: Keyring) -> Challenge:
    """NoSuchDomain."""
    row = desk.domain(name)
    return Challenge(
        domain=row.name,
        name=f"{LABEL}.{row.name}",
        value=PREFIX + _token(keyring.keys[keyring.current], row),
        verified=not row.unverified,
    )


def refusal(row: DomainRow, keyring: Keyring, texts: Sequence[str]) -> str:
    """Why TXT records ``texts`` prove nothing of ``row``; empty where they do. Keys that were current once count, too.
    """
    shown = [text.strip().removeprefix(PREFIX) for text in texts if text.strip().startswith(PREFIX)]
    for key in keyring.keys.values():
        wanted = _token(key, row)
        if any(hmac.compare_digest(one.encode(), wanted.encode()) for one in shown):
            return ""
    return "the record there is another one" if shown else "there is no such record"


async def verify(desk: Desk, name: str, keyring: Keyring, texts: Sequence[str] | None) -> DomainRow:
    """Serve a domain from now on, where ``texts`` (the TXT records at its challenge's name) prove that it is his.

    None: without proof, for operators. NoSuchDomain; NotPermitted says what is to be published, and where.
    """
    row = desk.domain(name)
    if not row.unverified:
        return row
    if texts is None:
        desk.require(Role.OPERATOR, f"domain verify --skip {row.name}")
    else:
        why = refusal(row, keyring, texts)
        if why:
            asked = challenge_of(desk, name, keyring)
            raise NotPermitted(
                f"domain {row.name} is not verified: {why}; publish it and ask again, it may take some minutes to be "
                f"seen: {asked.zone_line}"
            )

    def put(txn: Txn) -> DomainRow:
        current = domains.get_domain(txn)
        if current is None or current.tenant != row.tenant:
            raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
        changed = replace(current, unverified=False)
        domains.put_domain(txn, changed)
        return changed

    change = Change(
        "domain verify",
        row.name,
        row.name,
        before={"verified": False},
        after={"verified": True, "by": "an operator" if texts is None else "DNS"},
    )
    results = await desk.change(
        change, [(keys.domain_scope(row.name), put), (keys.DOMAIN_CHANGES, domains.settings_changed)]
    )
    changed: DomainRow = results[0]
    return changed


def _token(key: bytes, row: DomainRow) -> str:
    text = f"xtramail domain verification\0{row.name}\0{row.tenant}".encode()
    return hmac.new(key, text, hashlib.sha256).digest()[:_OCTETS].hex()
