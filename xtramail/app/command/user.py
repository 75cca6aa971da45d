"""``xtramail user``: who has a mailbox and a login."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, size_text, sure, when
from xtramail.app.command.passwd import new_hash, passwd
from xtramail.app.setting_kinds import SIZE
from xtramail.directory import users
from xtramail.directory.domain_settings import OF_USERS
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store.records import Account, AccountKind

_HERE = "xtramail.app.command"

OTHERS = {
    "recover": (f"{_HERE}.recover", "Put back what a user deleted, by any client, as long as its days last."),
    "card": (f"{_HERE}.card", "Write how to work here when the usual mail is away."),
}
"""Commands that need far more than the others."""


@click.group(cls=Commands, modules=OTHERS)
def user() -> None:
    """Add, change, show and remove users."""


def shown(account: Account, used: int | None = None) -> dict[str, object]:
    """A user as JSON shows it: no secret."""
    value: dict[str, object] = {
        "address": account.address,
        "type": account.kind,
        "status": account.status,
        "password": "set" if account.password else "",
        "must-change": account.settings.get(users.MUST_CHANGE, ""),
        "two-step": "on" if account.two_step else "",
        "quota": account.quota,
        "hidden-capabilities": account.settings.get(users.HIDDEN_CAPABILITIES, ""),
        **{name: account.settings.get(name, "") for name in OF_USERS},
        users.OUTSIDE: account.settings.get(users.OUTSIDE, ""),
        "created": when(account.created),
        "password-changed": when(account.password_changed) if account.password else None,
    }
    return value if used is None else value | {"used": used}


def _size(value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return SIZE.parse(value)
    except ValueError as error:
        raise BadInput(f"quota {value!r}: {error}") from None


@user.command()
@click.argument("address")
@click.option("--generate", is_flag=True, help="Make a strong password and print it once.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
@click.option("--quota", metavar="SIZE", help="Such as 5GiB.  [default: 5GiB]")
@click.option(
    "--type",
    "kind",
    type=click.Choice(users.KINDS),
    default="user",
    show_default=True,
    help="A list is relayed, not stored; a discovered user cannot log in yet.",
)
@click.pass_obj
def add(
    context: Context, address: str, generate: bool, password_stdin: bool, quota: str | None, kind: AccountKind
) -> None:
    """Add a user.

    Its domain is served already. A discovered user becomes a real one, and keeps its mail.
    """
    if kind == "user" and not generate and not password_stdin:
        raise click.UsageError("give a password: --generate makes one, --password-stdin reads one")
    parsed, octets = Address.parse(address), _size(quota)
    context.desk.domain(parsed.domain)
    hashed, plain = new_hash(context, parsed, generate=generate, password_stdin=password_stdin)
    account = context.run(
        users.add_user(
            context.desk,
            parsed,
            password=hashed,
            quota=users.DEFAULT_QUOTA if octets is None else octets,
            kind=kind,
        )
    )
    value = shown(account) | ({"generated": plain} if plain else {})
    context.done(value, f"user {account.address} added." + (f"\nPassword (shown once): {plain}" if plain else ""))


user.add_command(passwd)


@user.command("set")
@click.argument("address")
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.pass_obj
def set_(context: Context, address: str, changes: tuple[str, ...]) -> None:
    """Change settings of a user, all or none.

    \b
    quota=SIZE                   such as 5GiB; 0: no limit of its own
    status=active|disabled       disabled: no login; mail goes on arriving
    type=user|list|discovered    user: he logs in; list: handed on, not stored; discovered: learned, not confirmed
    hide=CAPABILITY,...          of IMAP, for a client that chokes on them, such as hide=IDLE,MOVE; hide= for none
    outside-address=ADDRESS      a private one: the emergency card goes there (domain set card-on-down=on)
    recovered=  sent-back=  give-back-deleted=  send-rate=  message-size=
                                 as in `domain set`, for this user alone; empty: as the domain has it
    """
    given: dict[str, str] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or key not in ("quota", "status", "type", "hide", users.OUTSIDE, *OF_USERS):
            raise BadInput(
                f"{change!r}: write it as quota=SIZE, status=active|disabled, type=user|list|discovered, "
                f"hide=CAPABILITY,..., {users.OUTSIDE}=ADDRESS, or one of {', '.join(OF_USERS)}"
            )
        given[key] = value
    account = context.run(
        users.set_user(
            context.desk,
            Address.parse(address),
            quota=_size(given.get("quota")),
            status=given.get("status"),
            kind=given.get("type"),
            hidden=given.get("hide"),
            outside=given.get(users.OUTSIDE),
            own={name: value for name, value in given.items() if name in OF_USERS},
        )
    )
    context.done(shown(account), f"user {account.address} changed.")


@user.command()
@click.argument("address")
@click.pass_obj
def show(context: Context, address: str) -> None:
    """Show a user and how much its mailboxes hold."""
    found = users.show(context.desk, Address.parse(address))
    value = shown(found.account, found.used)
    if not context.as_json:
        quota = size_text(found.account.quota) if found.account.quota else "none"
        value |= {"quota": quota, "used": size_text(found.used)}
    context.fields(value)


@user.command("list")
@click.argument("address", required=False)
@click.option("--domain", metavar="NAME", help="Only this domain's.")
@click.pass_obj
def list_(context: Context, address: str | None, domain: str | None) -> None:
    """List users, those of one domain, or the one with ADDRESS."""
    if address is not None:
        rows = [shown(context.desk.account(Address.parse(address)))]
    else:
        names = [domain] if domain else [row.name for row in context.desk.domains()]
        rows = [shown(account) for name in names for account in users.list_users(context.desk, name)]
    columns = ("address", "type", "status", "password", "quota")
    context.table(rows, columns, "no users yet; add one: xtramail user add ADDRESS --generate")


@user.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, address: str, yes: bool) -> None:
    """Remove a user. Refused while mail for it still waits for the primary."""
    parsed = Address.parse(address)
    context.desk.account(parsed)
    sure(f"Remove {parsed.key} and its login?", yes=yes)
    account = context.run(users.remove_user(context.desk, parsed))
    context.done({"removed": account.address}, f"user {account.address} removed; its mail goes as its days end.")
