"""Users: added, changed and removed. Each change is one transaction, refused whole or done whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from xtramail.directory.alert_settings import refuse_served
from xtramail.directory.alias_targets import refuse_while_target
from xtramail.directory.desk import Change, Desk, secret_told
from xtramail.directory.domain_settings import OF_USERS, regular
from xtramail.directory.open_mail import refuse_while_open
from xtramail.directory.places import listable
from xtramail.model.actor import Role
from xtramail.model.address import Address, key_of
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount
from xtramail.store import accounts, blocks, domains, keys, logins, mailboxes, places, roles, schema
from xtramail.store.aliases import get_alias
from xtramail.store.engine import Engine, Snapshot, Txn
from xtramail.store.records import Account, AccountKind, RecipientRow
from xtramail.wire.imap.client_masks import read_capability_names

KINDS: tuple[AccountKind, ...] = ("user", "list", "discovered")
STATUSES = ("active", "disabled")
HIDDEN_CAPABILITIES = "hidden_capabilities"
"""Key among the settings of an account: capabilities of IMAP that its clients choke on, ``IDLE,MOVE``."""
MUST_CHANGE = "must-change"
"""Key among the settings of an account: its password is a temporary one."""
OUTSIDE = "outside-address"
"""The same: where a user is reached while the primary is away, and our own mailbox is not known to him yet."""
DEFAULT_QUOTA = 5 * 1024**3
"""Octets; generous, because a full mailbox in an outage is the last thing that anybody needs."""


@dataclass(frozen=True, slots=True)
class User:
    """An account with the octets its mailboxes hold."""

    account: Account
    used: int


async def add_user(
    desk: Desk,
    address: Address,
    *,
    password: str = "",
    quota: int = DEFAULT_QUOTA,
    kind: AccountKind = "user",
    reason: str = "",
) -> Account:
    """Add a user with its mailboxes; ``password`` is a hash (``passwords``), ``quota`` octets (0: the domain's).

    NoSuchDomain, AlreadyExists (a discovered user is taken over, with its mail, when a real one of its name is added).
    """
    if kind not in KINDS:
        raise BadInput(f"type {kind!r}: choose one of {', '.join(KINDS)}")
    if len(address.local.encode()) > 64:
        raise BadInput(f"address {address}: the part before @ has at most 64 octets (RFC 5321)")
    desk.domain(address.domain)
    desk.require_change("user add")
    scope, local, now = keys.domain_scope(address.domain_key), address.local_key, desk.now()
    standing = desk.engine.read(scope, lambda snap: domains.get_recipient(snap, local))
    taken = f"user {address.key} exists already; change it with: xtramail user set"
    if standing is not None and (standing.kind != "discovered" or kind == "discovered"):
        raise AlreadyExists(taken)
    alias = desk.engine.read(scope, lambda snap: get_alias(snap, local))
    if alias is not None and address.key not in map(key_of, alias.targets):
        raise AlreadyExists(
            f"address {address.key} is an alias of {', '.join(alias.targets[:5])}, who get its mail; "
            f"first: xtramail alias remove {address.key}"
        )
    account_id = standing.account_id if standing is not None and standing.account_id else 0
    if not account_id:
        account_id = await desk.engine.transact(keys.STORE, schema.next_account_id)
    account = Account(
        id=account_id,
        address=str(address),
        password=password,
        quota=quota,
        status="active",
        kind=kind,
        created=now,
        password_changed=now,
        settings={},
    )
    row = RecipientRow(local=address.local, account_id=account_id, kind=kind, created=now, reason=reason)
    told = Change("user add", address.key, address.domain_key)

    def list_it(txn: Txn) -> None:
        found = domains.get_recipient(txn, local)
        if found is not None and found != standing:
            raise AlreadyExists(taken)
        if kind == "list":
            _refuse_homeless(txn, address)
        domains.put_recipient(txn, local, row)

    def open_it(txn: Txn) -> None:
        before = accounts.get_account(txn)
        # Who was a user once is no way around his two-step sign-in.
        two_step = before is not None and before.two_step
        opened = msgspec.structs.replace(account, two_step=two_step)
        accounts.put_account(txn, opened)
        if kind != "list":
            mailboxes.ensure_special(txn, now)
        told.before, told.after = (account_told(before) if before is not None else None), account_told(opened, before)

    await desk.change(told, [(scope, list_it), (keys.user_scope(account_id), open_it)])
    return account


async def add_discovered(desk: Desk, address: Address) -> None:
    """A mailbox without a password for a recipient that the primary knows; nothing when it is listed already."""
    try:
        await add_user(desk, address, kind="discovered", reason="the primary accepted it")
    except AlreadyExists:
        return


def account_told(account: Account, before: Account | None = None) -> dict[str, str | int | float | bool | None]:
    """What an audit row says of an account that was ``before``: no secret."""
    return {
        "type": account.kind,
        "status": account.status,
        "quota": account.quota,
        "password": secret_told(account.password, before.password if before is not None else ""),
        "two-step": account.two_step,
        **account.settings,
    }


def account_of(engine: Engine, address_key: str) -> Account | None:
    """The account behind an ``Address.key``, None when there is none."""
    local, _, domain = address_key.rpartition("@")
    row = engine.read(keys.domain_scope(domain), lambda snap: domains.get_recipient(snap, local))
    if row is None or row.account_id == 0:
        return None
    return engine.read(keys.user_scope(row.account_id), accounts.get_account)


def show(desk: Desk, address: Address) -> User:
    """For an admin, or the user himself. NoSuchAccount."""
    account = desk.account(address, Role.USER)
    return User(account=account, used=desk.engine.read(keys.user_scope(account.id), mailboxes.used_bytes))


def list_users(desk: Desk, domain: str) -> list[Account]:
    """Every account of a domain, by address, for its admin. NoSuchDomain."""
    return users_of(desk.engine, desk.domain(domain).name)


def users_of(engine: Engine, domain: str) -> list[Account]:
    """Every account of a domain, by address."""

    def ids(snap: Snapshot) -> list[int]:
        return [row.account_id for _, row in domains.recipients(snap) if row.account_id]

    found = (
        engine.read(keys.user_scope(account_id), accounts.get_account)
        for account_id in engine.read(keys.domain_scope(domain), ids)
    )
    return sorted((account for account in found if account is not None), key=lambda account: account.address)


async def set_password(desk: Desk, address: Address, password: str, *, temporary: bool = False) -> Account:
    """``password`` is a hash. Live sessions that came by the old one end when they see it.

    ``temporary``: its user is to choose another. That is told and shown, and closes no mail protocol: an outage is no
    time for it.
    """
    account = desk.account(address, Role.USER)
    desk.require_person("user passwd")
    settings = {MUST_CHANGE: "yes" if temporary else ""}
    changes = {"password": password, "password_changed": desk.now()}
    return await _change(desk, account, address, "user passwd", settings, changes)


async def set_user(
    desk: Desk,
    address: Address,
    *,
    quota: int | None = None,
    status: str | None = None,
    kind: str | None = None,
    hidden: str | None = None,
    outside: str | None = None,
    own: Mapping[str, str] | None = None,
) -> Account:
    """Change what is given; BadInput names the field and its rule. ``hidden``: IMAP capabilities, ``IDLE,MOVE``.

    ``outside``: an address in no domain that is served here; empty: none. A user may change this one himself.
    ``own``: settings of the domain that he has otherwise (OF_USERS); empty: as the domain says.
    """
    himself = all(one is None for one in (quota, status, kind, hidden)) and not own
    account = desk.account(address, Role.USER if himself else Role.DOMAIN)
    changes: dict[str, object] = {}
    if quota is not None:
        if quota < 0:
            raise BadInput("quota: a size of 0 (the domain's) or more")
        changes["quota"] = quota
    if status is not None:
        if status not in STATUSES:
            raise BadInput(f"status {status!r}: choose one of {', '.join(STATUSES)}")
        changes["status"] = status
    if kind is not None:
        if kind not in KINDS:
            raise BadInput(f"type {kind!r}: choose one of {', '.join(KINDS)}")
        changes["kind"] = kind
    settings: dict[str, str] = {}
    if hidden is not None:
        try:
            settings[HIDDEN_CAPABILITIES] = ",".join(sorted(read_capability_names(hidden)))
        except ValueError as error:
            raise BadInput(f"hide: {error}") from None
    if outside is not None:
        desk.require_person("outside-address")
        settings[OUTSIDE] = str(Address.parse(outside)) if outside else ""
        refuse_served(desk.engine, settings[OUTSIDE], setting=OUTSIDE)
    for name, value in (own or {}).items():
        if name not in OF_USERS:
            raise BadInput(f"{name}: no setting of a user; choose one of {', '.join(OF_USERS)}")
        settings[name] = regular(name, value)
    return await _change(desk, account, address, "user set", settings, changes)


async def _change(
    desk: Desk, account: Account, address: Address, what: str, settings: Mapping[str, str], changes: Mapping[str, Any]
) -> Account:
    """``settings``: those that change; an empty text takes one away."""
    local = address.local_key
    told = Change(what, address.key, address.domain_key)

    def change(txn: Txn) -> Account:
        current = accounts.get_account(txn)
        if current is None:
            raise NoSuchAccount(f"user {address.key} does not exist; see: xtramail user list")
        merged = {**current.settings, **settings}
        kept = {name: value for name, value in merged.items() if value}
        changed = msgspec.structs.replace(current, settings=kept, **changes)
        accounts.put_account(txn, changed)
        told.before, told.after = account_told(current), account_told(changed, current)
        return changed

    def relist(txn: Txn) -> None:
        row = domains.get_recipient(txn, local)
        if row is not None and "kind" in changes:
            if changes["kind"] == "list":
                _refuse_homeless(txn, address)
            # Who was learned and is confirmed, or is a list from now on, is so by a person's word.
            reason = row.reason if changes["kind"] == row.kind else ""
            domains.put_recipient(txn, local, msgspec.structs.replace(row, kind=changes["kind"], reason=reason))

    results = await desk.change(
        told, [(keys.user_scope(account.id), change), (keys.domain_scope(address.domain_key), relist)]
    )
    changed: Account = results[0]
    return changed


def _refuse_homeless(snap: Snapshot, address: Address) -> None:
    """BadInput for a list whose mail would be nowhere: it is handed on, and not stored."""
    domain = domains.get_domain(snap)
    if domain is not None and not listable(snap, domain, address.local_key):
        raise BadInput(
            f"type list of {address}: its mail is handed to the primary and not stored, and it has none; "
            f"for several people here: xtramail alias add {address} USER..."
        )


async def remove_user(desk: Desk, address: Address) -> Account:
    """Take a user off the directory. NotPermitted while its mail has an open fate, or an alias leads to him; its copies
    go with their days."""
    account = desk.account(address)
    refuse_while_target(desk, address)
    local = address.local_key

    def unlist(txn: Txn) -> None:
        domains.delete_recipient(txn, local)
        domains.delete_asked(txn, local)
        places.forget_here(txn, local)

    await desk.change(
        Change("user remove", address.key, address.domain_key, before=account_told(account)),
        [
            (keys.QUEUE, refuse_while_open(address.domain_key, address.key)),
            (keys.domain_scope(address.domain_key), unlist),
            (keys.user_scope(account.id), accounts.delete_account),
            (keys.LOGINS, partial(logins.forget, account_id=account.id)),
            (keys.ROLES, partial(roles.forget_user, address_key=address.key)),
            (keys.SENDING, partial(blocks.forget_sender, account_id=account.id)),
        ],
    )
    return account
