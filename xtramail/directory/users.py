"""Users: added, changed and removed. Each change is one transaction, refused whole or done whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from xtramail.directory.alert_settings import refuse_served
from xtramail.model.address import Address
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain, NotPermitted
from xtramail.model.outcome import OPEN_FATES
from xtramail.store import accounts, domains, keys, logins, mailboxes, outbound, schema
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
    engine: Engine,
    address: Address,
    *,
    now: float,
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
    scope, local = keys.domain_scope(address.domain_key), address.local_key
    if engine.read(scope, domains.get_domain) is None:
        raise NoSuchDomain(f"domain {address.domain_key} is not served here; add it first: xtramail domain add")
    standing = engine.read(scope, lambda snap: domains.get_recipient(snap, local))
    if standing is not None and (standing.kind != "discovered" or kind == "discovered"):
        raise AlreadyExists(f"user {address.key} exists already; change it with: xtramail user set")
    account_id = standing.account_id if standing is not None and standing.account_id else 0
    if not account_id:
        account_id = await engine.transact(keys.STORE, schema.next_account_id)
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

    def list_it(txn: Txn) -> None:
        found = domains.get_recipient(txn, local)
        if found is not None and found != standing:
            raise AlreadyExists(f"user {address.key} exists already; change it with: xtramail user set")
        domains.put_recipient(txn, local, row)

    def open_it(txn: Txn) -> None:
        before = accounts.get_account(txn)
        # Who was a user once is no way around his two-step sign-in.
        two_step = before is not None and before.two_step
        accounts.put_account(txn, msgspec.structs.replace(account, two_step=two_step))
        if kind != "list":
            mailboxes.ensure_special(txn, now)

    await engine.transact_all([(scope, list_it), (keys.user_scope(account_id), open_it)])
    return account


async def add_discovered(engine: Engine, address: Address, *, now: float) -> None:
    """A mailbox without a password for a recipient that the primary knows; nothing when it is listed already."""
    try:
        await add_user(engine, address, now=now, kind="discovered", reason="the primary accepted it")
    except AlreadyExists:
        return


def account_of(engine: Engine, address_key: str) -> Account | None:
    """The account behind an ``Address.key``, None when there is none."""
    local, _, domain = address_key.rpartition("@")
    row = engine.read(keys.domain_scope(domain), lambda snap: domains.get_recipient(snap, local))
    if row is None or row.account_id == 0:
        return None
    return engine.read(keys.user_scope(row.account_id), accounts.get_account)


def find(engine: Engine, address: Address) -> Account:
    """NoSuchAccount when there is none."""
    account = account_of(engine, address.key)
    if account is None:
        raise NoSuchAccount(f"user {address.key} does not exist; see: xtramail user list")
    return account


def show(engine: Engine, address: Address) -> User:
    account = find(engine, address)
    return User(account=account, used=engine.read(keys.user_scope(account.id), mailboxes.used_bytes))


def users_of(engine: Engine, domain: str) -> list[Account]:
    """Every account of a domain, by address."""

    def ids(snap: Snapshot) -> list[int]:
        return [row.account_id for _, row in domains.recipients(snap) if row.account_id]

    found = (
        engine.read(keys.user_scope(account_id), accounts.get_account)
        for account_id in engine.read(keys.domain_scope(domain), ids)
    )
    return sorted((account for account in found if account is not None), key=lambda account: account.address)


async def set_password(
    engine: Engine, address: Address, password: str, *, now: float, temporary: bool = False
) -> Account:
    """``password`` is a hash. Live sessions that came by the old one end when they see it.

    ``temporary``: its user is to choose another. That is told and shown, and closes no mail protocol: an outage is no
    time for it.
    """
    settings = {MUST_CHANGE: "yes" if temporary else ""}
    return await _change(engine, address, settings, password=password, password_changed=now)


async def set_user(
    engine: Engine,
    address: Address,
    *,
    quota: int | None = None,
    status: str | None = None,
    kind: str | None = None,
    hidden: str | None = None,
    outside: str | None = None,
) -> Account:
    """Change what is given; BadInput names the field and its rule. ``hidden``: IMAP capabilities, ``IDLE,MOVE``.

    ``outside``: an address in no domain that is served here; empty: none.
    """
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
        settings[OUTSIDE] = str(Address.parse(outside)) if outside else ""
        refuse_served(engine, settings[OUTSIDE], setting=OUTSIDE)
    return await _change(engine, address, settings, **changes)


async def _change(
    engine: Engine, address: Address, settings: Mapping[str, str] | None = None, **changes: object
) -> Account:
    """``settings``: those that change; an empty text takes one away."""
    account = find(engine, address)
    local = address.local_key

    def change(txn: Txn) -> Account:
        current = accounts.get_account(txn)
        if current is None:
            raise NoSuchAccount(f"user {address.key} does not exist; see: xtramail user list")
        merged = {**current.settings, **(settings or {})}
        kept = {name: value for name, value in merged.items() if value}
        changed = msgspec.structs.replace(current, settings=kept, **changes)
        accounts.put_account(txn, changed)
        return changed

    def relist(txn: Txn) -> None:
        row = domains.get_recipient(txn, local)
        if row is not None and "kind" in changes:
            domains.put_recipient(txn, local, msgspec.structs.replace(row, kind=changes["kind"]))

    results = await engine.transact_all(
        [(keys.user_scope(account.id), change), (keys.domain_scope(address.domain_key), relist)]
    )
    changed: Account = results[0]
    return changed


async def remove_user(engine: Engine, address: Address) -> Account:
    """Take a user off the directory. NotPermitted while its mail has an open fate; its copies go with their days."""
    account = find(engine, address)
    local = address.local_key

    def unlist(txn: Txn) -> None:
        domains.delete_recipient(txn, local)
        domains.delete_asked(txn, local)

    await engine.transact_all(
        [
            (keys.QUEUE, refuse_while_open(address.domain_key, address.key)),
            (keys.domain_scope(address.domain_key), unlist),
            (keys.user_scope(account.id), accounts.delete_account),
            (keys.LOGINS, partial(logins.forget, account_id=account.id)),
        ]
    )
    return account


def open_mail(engine: Engine, domain: str, address_key: str = "") -> int:
    """Messages whose fate is open for a domain, or for one address in it."""
    return engine.read(keys.QUEUE, lambda snap: _waiting(snap, domain, address_key))


def refuse_while_open(domain: str, address_key: str = "") -> Callable[[Snapshot], None]:
    """For the transaction (scope QUEUE) that removes them: NotPermitted while mail has an open fate.

    Asked there, because mail goes on arriving while an administrator decides.
    """
    who = f"user {address_key}" if address_key else f"domain {domain}"

    def refuse(snap: Snapshot) -> None:
        waiting = _waiting(snap, domain, address_key)
        if waiting:
            raise NotPermitted(
                f"{who}: {waiting} messages still wait for the primary; "
                f"see: xtramail queue list, then deliver, bounce or wait"
            )
        # A sender must be there to be told what became of his mail, and his domain's smarthost to carry it.
        sent = _sent(snap, domain, address_key)
        if sent:
            raise NotPermitted(
                f"{who}: {sent} messages from it still wait to be handed on; "
                f"see: xtramail queue list, then retry, bounce or wait"
            )

    return refuse


def _waiting(snap: Snapshot, domain: str, address_key: str) -> int:
    return sum(
        any(
            recipient.fate in OPEN_FATES and address_key in ("", _key(recipient.address))
            for recipient in entry.recipients
        )
        for entry in outbound.entries(snap, domain)
    )


def _sent(snap: Snapshot, domain: str, address_key: str) -> int:
    senders = (_key(entry.reverse_path) for entry in outbound.entries(snap) if entry.reverse_path)
    if address_key:
        return sum(sender == address_key for sender in senders)
    return sum(sender.rpartition("@")[2] == domain for sender in senders)


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except BadInput:
        # Accepted from the wire, but nothing that a user could be called.
        return address
