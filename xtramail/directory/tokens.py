"""Tokens: what programs come by, made here, shown once, revoked one by one.

160 random bits; kept is a keyed hash, found by one exact look-up, so that no slow hash is needed and none is timed. A
token may never do more than who it belongs to: that is looked at when it is made, and each time that it comes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import replace

from xtramail.directory.admins import ADMIN_ROLES, actor_of, find_admin, reach_of_domains
from xtramail.directory.desk import Change, Desk
from xtramail.directory.keyring import Keyring
from xtramail.directory.tenants import find_tenant
from xtramail.directory.users import account_of
from xtramail.model.actor import Actor, Role
from xtramail.model.errors import BadCredentials, BadInput, LimitReached, NoSuchToken, NotPermitted
from xtramail.model.secret import Secret
from xtramail.store import keys, roles
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.roles import TokenRow

PREFIX = "xt_"
"""By which those who look for leaked secrets know one."""
MOST = 1_000
"""Of one owner."""
LONGEST_LABEL = 100
_OCTETS = 20


async def add_token(
    desk: Desk,
    keyring: Keyring,
    *,
    label: str,
    owner: str = "",
    role: str = "",
    tenant: str = "",
    domains: Collection[str] = (),
    write: bool = False,
    expires: float = 0.0,
) -> tuple[TokenRow, Secret]:
    """A token, which is kept nowhere. Durable when this returns.

    ``owner``: the admin it belongs to; empty: the actor himself. ``role`` empty: his own, and with ``domains`` that of
    their admin. ``write`` False: it may only look. ``expires``: seconds since 1970 (0: never). BadInput, NotPermitted,
    NoSuchAdmin, NoSuchTenant, NoSuchDomain, LimitReached.
    """
    if desk.actor.token:
        raise NotPermitted("a token makes no tokens; log in yourself")
    name = " ".join(label.split())
    if not name or len(name) > LONGEST_LABEL or not name.isprintable():
        raise BadInput(f"label: one line of 1 to {LONGEST_LABEL} characters, such as \"billing\"")
    if expires and expires <= desk.now():
        raise BadInput("expires: a time that is still to come")
    whose = desk.actor if not owner else actor_of(find_admin(desk, owner), desk.actor.how)
    theirs = Desk(desk.engine, whose, desk.clock)
    given = _role(whose, role, domains)
    owned, names = _reach(theirs, given, tenant, domains)
    account = account_of(desk.engine, whose.address) if given is Role.USER else None
    row = TokenRow(
        id=secrets.token_hex(4),
        label=name,
        owner=_owner(desk, whose),
        maker=desk.actor.name,
        role=given,
        created=desk.now(),
        expires=expires,
        key_id=keyring.current,
        write=write,
        tenant=owned,
        domains=names,
        account_id=account.id if account is not None else 0,
    )
    made = PREFIX + base64.b32encode(secrets.token_bytes(_OCTETS)).decode("ascii").lower()
    mark = _mark(made, keyring.keys[keyring.current])

    def put(txn: Txn) -> None:
        if sum(one.owner == row.owner for _, one in roles.tokens(txn)) >= MOST:
            raise LimitReached(f"{row.owner or 'the operator'} has {MOST} tokens; revoke those that are not used")
        roles.put_token(txn, mark, row)

    told = Change("token add", row.id, _domain_of(row), row.tenant, after=token_told(row))
    await desk.change(told, [(keys.ROLES, put)])
    return row, Secret(made)


def list_tokens(desk: Desk) -> list[TokenRow]:
    """Those that the actor may see, the oldest first."""
    return [row for _, row in desk.engine.read(keys.ROLES, roles.tokens) if _sees(desk, row)]


async def revoke_token(desk: Desk, token_id: str) -> TokenRow:
    """By its id; it opens nothing from the next request on. NoSuchToken."""
    found = [one for one in desk.engine.read(keys.ROLES, roles.tokens) if one[1].id == token_id]
    if not found or not _sees(desk, found[0][1]):
        raise NoSuchToken(f"token {token_id} does not exist; see: xtramail token list")
    mark, row = found[0]
    told = Change("token revoke", row.id, _domain_of(row), row.tenant, before=token_told(row))
    await desk.change(told, [(keys.ROLES, lambda txn: roles.delete_token(txn, mark))])
    return row


def actor_of_token(engine: Engine, keyring: Keyring, token: Secret, now: float) -> Actor:
    """Who comes by it, with no more than its owner may do at this moment.

    BadCredentials for one that is unknown, expired or revoked, and where its owner is gone, disabled or may do less.
    """
    row = _find(engine, keyring, token)
    if row is None or (row.expires and row.expires <= now):
        raise BadCredentials()
    how = f"token {row.id}"
    base = Actor(
        role=Role(row.role),
        name=row.owner or row.maker,
        how=how,
        tenant=row.tenant,
        domains=frozenset(row.domains),
        read_only=not row.write,
        token=row.id,
    )
    if base.role is Role.USER:
        account = account_of(engine, row.owner)
        if account is None or account.id != row.account_id or account.status != "active":
            raise BadCredentials()
        return replace(base, address=row.owner)
    if not row.owner:
        return base
    admin = engine.read(keys.ROLES, lambda snap: roles.get_admin(snap, row.owner))
    if admin is None or admin.status != "active" or not Role(admin.role).reaches(base.role):
        raise BadCredentials()
    if admin.role != Role.OPERATOR and admin.tenant != row.tenant:
        raise BadCredentials()
    if admin.role == Role.DOMAIN:
        return replace(base, domains=base.domains & frozenset(admin.domains))
    return base


def token_told(row: TokenRow) -> dict[str, str | int | float | bool | None]:
    """What an audit row says of a token."""
    return {
        "label": row.label,
        "owner": row.owner,
        "role": row.role,
        "tenant": row.tenant,
        "domains": ",".join(row.domains),
        "write": row.write,
        "expires": row.expires,
    }


def _find(engine: Engine, keyring: Keyring, token: Secret) -> TokenRow | None:
    marks = [_mark(token.reveal().strip(), key) for key in keyring.keys.values()]

    def look(snap: Snapshot) -> TokenRow | None:
        rows = [roles.get_token(snap, mark) for mark in marks]
        return next((row for row in rows if row is not None), None)

    return engine.read(keys.ROLES, look)


def _mark(text: str, key: bytes) -> bytes:
    own = hmac.digest(key, b"tokens", hashlib.sha256)
    return hmac.digest(own, text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _role(whose: Actor, role: str, domains: Collection[str]) -> Role:
    given = Role.DOMAIN if not role and domains and whose.role.reaches(Role.DOMAIN) else whose.role
    if role:
        try:
            given = Role(role)
        except ValueError:
            raise BadInput(f"role {role!r}: choose one of {', '.join(Role)}") from None
    if not whose.role.reaches(given):
        raise NotPermitted(f"role {given}: a token may do no more than who it belongs to, a {whose.role}")
    if given is Role.USER and whose.role is not Role.USER:
        raise BadInput(f"role {given}: a user makes such a token himself; choose {', '.join(ADMIN_ROLES)}")
    return given


def _reach(theirs: Desk, role: Role, tenant: str, domains: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """Tenant and domains of a token of that role, all of them its owner's."""
    if domains and role is not Role.DOMAIN:
        raise BadInput(f"domains: they are for the role {Role.DOMAIN}")
    match role:
        case Role.TENANT:
            if not tenant and not theirs.actor.tenant:
                raise BadInput("tenant: name the one that it is for; see: xtramail tenant list")
            return find_tenant(theirs, tenant or theirs.actor.tenant).name, ()
        case Role.DOMAIN:
            return reach_of_domains(theirs, tenant, domains or sorted(theirs.actor.domains))
        case _:
            if tenant:
                raise BadInput(f"tenant: a {role} has none")
            return "", ()


def _owner(desk: Desk, whose: Actor) -> str:
    """An admin's name or a user's; nobody's for who came by the command line."""
    if whose.role is Role.USER:
        return whose.address
    row = desk.engine.read(keys.ROLES, lambda snap: roles.get_admin(snap, whose.name))
    if row is None and whose.role is not Role.OPERATOR:
        raise NotPermitted(f"{whose.name} is no admin here any more; log in again")
    return row.name if row is not None else ""


def _domain_of(row: TokenRow) -> str:
    """Whose admins see what became of it: a user's token is his domain's."""
    return row.owner.rpartition("@")[2] if row.role == Role.USER else ""


def _sees(desk: Desk, row: TokenRow) -> bool:
    match desk.actor.role:
        case Role.OPERATOR:
            return True
        case Role.TENANT:
            return bool(row.tenant) and row.tenant == desk.actor.tenant
        case Role.DOMAIN:
            return row.role != Role.USER and row.owner == desk.actor.name
        case Role.USER:
            return row.role == Role.USER and row.owner == desk.actor.address
