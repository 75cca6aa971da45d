"""The relay account of a domain: the login by which its primary sends through us. One a domain, with a made password.

Its name is the domain's, without ``@``: no mailbox has such a name, so the two kinds of login never meet. It opens
submission and nothing else.
"""

from __future__ import annotations

import msgspec

from xtramail.directory import passwords
from xtramail.directory.desk import Change, Desk, secret_told
from xtramail.directory.keyring import Keyring
from xtramail.directory.relay_clients import ACCOUNT, CREATED, check
from xtramail.model.address import domain_key
from xtramail.model.errors import AlreadyExists, BadInput, NoSuchAccount, NoSuchDomain
from xtramail.model.secret import Secret
from xtramail.store import domains, keys
from xtramail.store.engine import Engine, Txn
from xtramail.store.records import Account, DomainRow


def relay_account(engine: Engine, name: str) -> Account | None:
    """What logs in under ``name``, as an account without mailboxes; None where no such domain has one."""
    try:
        row = engine.read(keys.domain_scope(domain_key(name)), domains.get_domain)
    except BadInput:
        return None
    return None if row is None or row.unverified else of_domain(row)


def of_domain(row: DomainRow) -> Account | None:
    """See :func:`relay_account`."""
    stored = row.settings.get(ACCOUNT, "")
    if not stored:
        return None
    created = float(row.settings.get(CREATED, "0"))
    return Account(
        # Counted among connections like any account, apart from all that have mailboxes.
        id=-row.retention_class,
        address=row.name,
        password=stored,
        quota=0,
        status="active",
        kind="relay",
        created=created,
        password_changed=created,
    )


async def create(desk: Desk, name: str, keyring: Keyring) -> Secret:
    """The password, which is shown this once. NoSuchDomain; AlreadyExists where there is an account."""
    row = desk.domain(name)
    made = passwords.generate()
    fields = {ACCOUNT: passwords.hash_generated(made, keyring), CREATED: repr(desk.now())}

    def put(txn: Txn) -> None:
        current = _current(txn, name)
        if ACCOUNT in current.settings:
            raise AlreadyExists(
                f"domain {row.name} has a relay account; a lost password is replaced by removing it first: "
                f"xtramail domain relay-account {row.name} remove"
            )
        _put(txn, current, {**current.settings, **fields})

    told = Change("domain relay-account create", row.name, row.name, after={"password": secret_told(fields[ACCOUNT])})
    await desk.change(told, [(keys.domain_scope(row.name), put), (keys.DOMAIN_CHANGES, domains.settings_changed)])
    return made


async def remove(desk: Desk, name: str) -> None:
    """Its connections end. NoSuchAccount; BadInput while a setting of the domain cannot do without it."""
    row = desk.domain(name)

    def take(txn: Txn) -> None:
        current = _current(txn, name)
        if ACCOUNT not in current.settings:
            raise NoSuchAccount(f"domain {row.name} has no relay account")
        kept = {key: value for key, value in current.settings.items() if key not in (ACCOUNT, CREATED)}
        _put(txn, current, kept)

    told = Change("domain relay-account remove", row.name, row.name, before={"password": "set"})
    await desk.change(told, [(keys.domain_scope(row.name), take), (keys.DOMAIN_CHANGES, domains.settings_changed)])


def _current(txn: Txn, name: str) -> DomainRow:
    row = domains.get_domain(txn)
    if row is None:
        raise NoSuchDomain(f"domain {name} is not served here; see: xtramail domain list")
    return row


def _put(txn: Txn, row: DomainRow, settings: dict[str, str]) -> None:
    changed = msgspec.structs.replace(row, settings=settings)
    check(changed)
    domains.put_domain(txn, changed)
