"""The mailbox of what was deleted, as a session sees it: under which name, and that nothing is put into it.

Owns the name, and its switch (``recovered`` of a domain). Its rows are ``store/recovered``'s; it is looked at, fetched
and searched as any other mailbox is.

A user's own mailbox keeps its name: where one is called Recovered (made while the switch was off), this one goes by the
second name.
"""

from __future__ import annotations

from xtramail.directory.domain_settings import switch
from xtramail.model.address import Address
from xtramail.model.errors import MailboxExists, Refused
from xtramail.store import domains, keys
from xtramail.store.engine import Engine, Snapshot
from xtramail.store.mailbox_names import SEPARATOR
from xtramail.store.mailbox_rows import mailbox_by_name
from xtramail.store.records import Account
from xtramail.store.recovered import NAME

NAMES = (NAME, "Recovered messages")


class OnlyToCopyFrom(Refused):
    """This mailbox is read-only: copy messages out of it, and they are restored."""


def is_on(engine: Engine, account: Account) -> bool:
    """Whether the account, or else its domain, has this mailbox. Read anew: an administrator may have changed it."""
    domain = engine.read(keys.domain_scope(Address.parse(account.address).domain_key), domains.get_domain)
    return domain is None or switch(domain, "recovered", account)


def free_name(snap: Snapshot) -> str:
    """The first of the names that none of the user's own mailboxes has; empty when they have both."""
    return next((name for name in NAMES if mailbox_by_name(snap, name) is None), "")


def may_be(name: str) -> bool:
    """Whether it could be this mailbox, or one below it: nobody else's commands need to ask for more."""
    return name.partition(SEPARATOR)[0] in NAMES


def check_new(name: str, taken: str) -> None:
    """Of a mailbox that is to be made, while this one is called ``taken`` (empty: it is not there).

    MailboxExists; OnlyToCopyFrom for a name below it.
    """
    if taken and name == taken:
        raise MailboxExists
    if taken and name.startswith(taken + SEPARATOR):
        raise OnlyToCopyFrom(f"{taken} has no mailboxes below it")
