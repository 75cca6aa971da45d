"""Users, with the passwords that a file may give them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import cast

from msgspec.structs import replace

from xtramail.directory import password_policy
from xtramail.directory.domain_settings import OF_USERS, regular
from xtramail.directory.renewed_passwords import RENEWED, trace
from xtramail.directory.route_words import HERE
from xtramail.directory.state.given_passwords import check_hash, regular_hash, who_has_it
from xtramail.directory.state.kind import Kind, Progress, Row, Says, Work, World, is_hex, same, stale
from xtramail.directory.state.kinds.aliases import refuse_while_leading
from xtramail.directory.state.moments import kept_moment, moment_text, read_moment
from xtramail.directory.users import DEFAULT_QUOTA, HIDDEN_CAPABILITIES, KINDS, MUST_CHANGE, OUTSIDE, STATUSES, users_of
from xtramail.model.address import Address
from xtramail.model.errors import NotPermitted
from xtramail.store import accounts, blocks, domains, keys, logins, mailboxes, places, roles
from xtramail.store.engine import Txn
from xtramail.store.records import Account, AccountKind, RecipientRow
from xtramail.wire.imap.client_masks import read_capability_names

_OWN = frozenset({HIDDEN_CAPABILITIES, MUST_CHANGE, OUTSIDE, RENEWED})
"""Settings of an account that have a field of their own."""


class UserState(Row, frozen=True):
    address: str
    type: str = "user"
    status: str = "active"
    quota: int = DEFAULT_QUOTA
    password: str = ""
    """As its user knows it; kept as a hash only."""
    generate: bool = False
    """Make a password for who has none."""
    password_hash: str = ""
    password_changed: str = ""
    renewed_from: str = ""
    """See ``renewed_passwords``."""
    must_change: bool = False
    hide: str = ""
    outside_address: str = ""
    settings: dict[str, str] = {}
    """Those of the domain that he has otherwise."""
    reason: str = ""
    """Why a discovered user is there."""
    created: str = ""


class Users(Kind[UserState]):
    name = "users"
    doc = "users, lists and discovered addresses"
    row = UserState
    keys = ("address",)
    secrets = frozenset({"password_hash", "renewed_from"})
    input_only = frozenset({"password", "generate"})
    moments = frozenset({"created", "password_changed"})

    def read(self, world: World) -> Iterator[UserState]:
        for domain in world.domains:
            listed = dict(world.desk.engine.read(keys.domain_scope(domain.name), domains.recipients))
            for account in users_of(world.desk.engine, domain.name):
                row = listed.get(Address.parse(account.address).local_key)
                yield state_of(account, row.reason if row is not None else "")

    def key(self, row: UserState) -> str:
        return Address.parse(row.address).key

    def domain(self, row: UserState) -> str:
        return Address.parse(row.address).domain_key

    def settled(self, rows: Mapping[str, UserState], world: World, progress: Progress) -> Mapping[str, UserState]:
        standing: Mapping[str, UserState] = world.standing(self.name)
        given = {
            key: (row.password, standing[key].password_hash)
            for key, row in rows.items()
            if row.password and key in standing and standing[key].password_hash
        }
        known = who_has_it(given, world.keyring, progress)
        return {
            key: replace(
                row,
                password_hash=_same_password(row.password_hash, standing.get(key)),
                password="" if key in known else row.password,
                generate=row.generate and not (key in standing and standing[key].password_hash),
            )
            for key, row in rows.items()
        }

    def merged(self, row: UserState, before: UserState, given: Collection[str]) -> UserState:
        # Who was learned and is confirmed is there by a person's word from now on.
        return replace(row, reason="") if row.type != before.type and "reason" not in given else row

    def regular(self, row: UserState, says: Says) -> UserState:
        address = Address.parse(row.address)
        if len(address.local.encode()) > 64:
            says.wrong("address", f"{address}: the part before @ has at most 64 octets (RFC 5321)")
        for name, value, choices in (("type", row.type, KINDS), ("status", row.status, STATUSES)):
            if value not in choices:
                says.wrong(name, f"{value!r}: choose one of {', '.join(choices)}")
        if not 0 <= row.quota <= 1 << 50:
            says.wrong("quota", f"{row.quota}: octets, such as {DEFAULT_QUOTA}; 0 for the domain's")
        if row.password:
            says.made("password", lambda text: password_policy.check(text, address), row.password, None)
        outside = says.made("outside_address", _address, row.outside_address, "")
        if row.renewed_from and not is_hex(row.renewed_from, 64):
            says.wrong("renewed_from", "64 hexadecimal digits, as export --with-secrets writes them")
        for name in ("created", "password_changed"):
            says.made(name, read_moment, getattr(row, name), 0.0)
        return replace(
            row,
            address=str(address),
            password_hash=regular_hash(row.password_hash),
            hide=says.made("hide", _hidden, row.hide, ""),
            outside_address=outside,
            settings=_settings(row.settings, says),
        )

    def check(self, row: UserState, before: UserState | None, world: World, says: Says) -> None:
        address = Address.parse(row.address)
        if not world.serves(address.domain_key):
            says.wrong("address", f"domain {address.domain_key} is not served here; add it first, or to the file")
        if row.outside_address and world.receives(Address.parse(row.outside_address).domain_key):
            says.wrong(
                "outside_address",
                f"{row.outside_address}: its domain is served here, and in an outage its mail waits; "
                "name a private one somewhere else",
            )
        new = before is None or row.password_hash != before.password_hash
        if [bool(row.password), row.generate, bool(new and row.password_hash)].count(True) > 1:
            says.wrong("password", "choose one of password, password-hash and generate")
        if row.type == "list" and (before is None or before.type != "list") and not _is_handed_on(row, world):
            says.wrong("type", "list: its mail is handed on and not stored, and there is no primary; make it an alias")
        if row.type == "list" and (row.password or row.generate):
            says.wrong("password", "nobody logs in to a list; leave it out, or make it type user")
        if row.password_hash and new:
            check_hash("password_hash", row.password_hash, world.keyring, says)

    def stays(self, row: UserState) -> bool:
        """What was learned of the primary is never taken away by itself."""
        return row.type == "discovered"

    def check_removal(self, row: UserState, world: World, says: Says) -> None:
        key = self.key(row)
        try:
            world.open_mail().refuse(self.domain(row), key)
        except NotPermitted as error:
            says.wrong("", error.text)
        if into := [one.source for one in world.after("mirrors").values() if one.into and _key(one.into) == key]:
            says.wrong("", f"{', '.join(into)} is mirrored into it; take the mirror away first, or name another user")
        if key not in world.after("aliases"):
            refuse_while_leading(world, key, says)

    def write(self, before: UserState | None, after: UserState | None, work: Work) -> None:
        address = Address.parse((after or before or UserState(address="")).address)
        account_id = work.account_id(address.key)
        scope, own = keys.domain_scope(address.domain_key), keys.user_scope(account_id)
        if after is None:
            work.refuse_while_open(address.domain_key, address.key)
            work.part(scope, partial(_unlist, address.local_key))
            work.part(own, accounts.delete_account)
            work.part(keys.LOGINS, partial(logins.forget, account_id=account_id))
            work.part(keys.ROLES, partial(roles.forget_user, address_key=address.key))
            work.part(keys.SENDING, partial(blocks.forget_sender, account_id=account_id))
            return
        work.part(scope, partial(_list, address, before, after, account_id, work.now))
        work.part(own, partial(_open, before, after, account_id, work.now))
        if after.type != "list" and (before is None or before.type == "list"):
            # Who needs them earlier makes them: deliveries and logins do.
            work.later(own, partial(_furnish, work.now))


def state_of(account: Account, reason: str) -> UserState:
    """An account as a document has it."""
    return UserState(
        address=account.address,
        type=account.kind,
        status=account.status,
        quota=account.quota,
        password_hash=account.password,
        password_changed=moment_text(account.password_changed),
        renewed_from=account.settings.get(RENEWED, ""),
        must_change=bool(account.settings.get(MUST_CHANGE)),
        hide=account.settings.get(HIDDEN_CAPABILITIES, ""),
        outside_address=account.settings.get(OUTSIDE, ""),
        settings={name: value for name, value in account.settings.items() if name in OF_USERS},
        reason=reason,
        created=moment_text(account.created),
    )


def _unlist(local: str, txn: Txn) -> None:
    domains.delete_recipient(txn, local)
    domains.delete_asked(txn, local)
    places.forget_here(txn, local)


def _list(address: Address, before: UserState | None, after: UserState, account_id: int, now: float, txn: Txn) -> None:
    """In the domain."""
    local = address.local_key
    found = domains.get_recipient(txn, local)
    kind = cast(AccountKind, after.type)
    if before is None:
        same(found, None)
        found = RecipientRow(
            local=address.local, account_id=account_id, kind=kind, created=read_moment(after.created) or now
        )
    elif found is None or found.account_id != account_id:
        raise stale()
    row = replace(found, kind=kind, reason=after.reason, created=kept_moment(after.created, found.created) or now)
    domains.put_recipient(txn, local, row)


def _open(before: UserState | None, after: UserState, account_id: int, now: float, txn: Txn) -> None:
    current = accounts.get_account(txn)
    if before is None or current is None:
        if before is not None or current is not None:
            raise stale()
        current = Account(
            id=account_id,
            address=after.address,
            password="",
            quota=0,
            status="active",
            kind="user",
            created=now,
            password_changed=now,
        )
    else:
        same(state_of(current, before.reason), before)
    changed = kept_moment(after.password_changed, current.password_changed) or now
    if current.password != after.password_hash and before is not None and changed == current.password_changed:
        # Who came by the old one is logged out.
        changed = now
    own = {
        MUST_CHANGE: "yes" if after.must_change else "",
        HIDDEN_CAPABILITIES: after.hide,
        OUTSIDE: after.outside_address,
        RENEWED: after.renewed_from,
        **after.settings,
    }
    kept = {name: value for name, value in current.settings.items() if name not in _OWN and name not in OF_USERS}
    accounts.put_account(
        txn,
        replace(
            current,
            password=after.password_hash,
            quota=after.quota,
            status=after.status,
            kind=after.type,
            created=kept_moment(after.created, current.created) or now,
            password_changed=changed,
            settings={**kept, **{name: value for name, value in own.items() if value}},
        ),
    )


def _furnish(now: float, txn: Txn) -> None:
    if accounts.get_account(txn) is not None:
        mailboxes.ensure_special(txn, now)


def _is_handed_on(row: UserState, world: World) -> bool:
    address = Address.parse(row.address)
    domain, place = world.after("domains").get(address.domain_key), world.after("places").get(address.key)
    return (domain is None or bool(domain.primary)) if place is None else place.hosts != (HERE,)


def _same_password(given: str, standing: UserState | None) -> str:
    """Our hash where it was made of the one that is given, at a login since."""
    if given and standing is not None and standing.renewed_from == trace(regular_hash(given), standing.password_hash):
        return standing.password_hash
    return given


def _settings(given: dict[str, str], says: Says) -> dict[str, str]:
    """As they are kept: an empty one is the domain's, and not kept."""
    kept = {}
    for name, value in given.items():
        if name not in OF_USERS:
            says.wrong("settings", f"there is no setting {name!r} of users; choose one of {', '.join(OF_USERS)}")
        elif made := says.made("settings", partial(regular, name), value, ""):
            kept[name] = made
    return kept


def _hidden(text: str) -> str:
    return ",".join(sorted(read_capability_names(text)))


def _address(text: str) -> str:
    return str(Address.parse(text)) if text else ""


def _key(address: str) -> str:
    return Address.parse(address).key
