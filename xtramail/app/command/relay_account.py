"""``xtramail domain relay-account``: the login by which a domain's primary sends to the world through us."""

from __future__ import annotations

import click

from xtramail.app.command.context import Context, sure, when
from xtramail.app.command.group import Reporting
from xtramail.directory import relay_accounts
from xtramail.model.errors import BadInput


@click.command("relay-account", cls=Reporting)
@click.argument("name")
@click.argument("action", type=click.Choice(["create", "remove", "show"]))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def relay_account(context: Context, name: str, action: str, yes: bool) -> None:
    """Create, remove or show the account by which the domain NAME's own server sends through us.

    It logs in on a submission port (587, 465) under the domain's name, with a password that is shown once.
    """
    row = context.desk.domain(name)
    if action == "show":
        account = relay_accounts.of_domain(row)
        if account is None:
            raise BadInput(
                f"domain {row.name} has no relay account; make one: xtramail domain relay-account {row.name} create"
            )
        context.fields({"user": account.address, "password": "set", "created": when(account.created)})
        return
    if action == "remove":
        sure(f"Remove the relay account of {row.name}? What logs in with it cannot send any more.", yes=yes)
        context.run(relay_accounts.remove(context.desk, name))
        context.done({"removed": row.name}, f"domain {row.name} has no relay account any more.")
        return
    made = context.run(relay_accounts.create(context.desk, name, context.keyring)).reveal()
    context.done(
        {"user": row.name, "generated": made},
        f"relay account of {row.name} made.\nUser name: {row.name}\nPassword (shown once): {made}\n"
        f"Let the domain's own server send by it: port 587 with STARTTLS, or 465; senders in {row.name} only.",
    )
