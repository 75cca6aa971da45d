"""``xtramail token``: what programs come by instead of a person's password."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.app.command.maintenance import moment
from xtramail.directory import tokens
from xtramail.directory.admins import ADMIN_ROLES
from xtramail.store.roles import TokenRow


@click.group(cls=Commands)
def token() -> None:
    """Tokens for programs that administrate: made, listed and revoked."""


def shown(row: TokenRow) -> dict[str, object]:
    """A token as JSON shows it: no secret."""
    return {
        "id": row.id,
        "label": row.label,
        "owner": row.owner,
        "role": row.role,
        "tenant": row.tenant,
        "domains": list(row.domains),
        "scope": "write" if row.write else "read",
        "made-by": row.maker,
        "created": when(row.created),
        "expires": when(row.expires),
    }


@token.command()
@click.argument("label")
@click.option("--admin", "owner", default="", metavar="ADDRESS", help="Whose it is.  [default: the operator's]")
@click.option(
    "--role", type=click.Choice([str(one) for one in ADMIN_ROLES]), default=None, help="[default: its owner's]"
)
@click.option("--tenant", default="", metavar="NAME", help="Of role tenant-admin.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="Only for this domain; repeat for more.")
@click.option(
    "--scope", type=click.Choice(["read", "write"]), default="read", show_default=True, help="write may change, too."
)
@click.option("--expires", metavar="TIME", help="Such as +90d, or 2026-12-31T00:00 (UTC).  [default: never]")
@click.pass_obj
def add(
    context: Context,
    label: str,
    owner: str,
    role: str | None,
    tenant: str,
    domains: tuple[str, ...],
    scope: str,
    expires: str | None,
) -> None:
    """Make a token for a program, LABEL says which, and print it once.

    It may do no more than who it belongs to, at the moment when it comes.
    """
    row, made = context.run(
        tokens.add_token(
            context.desk,
            context.keyring,
            label=label,
            owner=owner,
            role=role or "",
            tenant=tenant,
            domains=domains,
            write=scope == "write",
            expires=moment("expires", expires, context.now()) if expires else 0.0,
        )
    )
    text = f"token {row.id} for {row.label} made.\nToken (shown once): {made.reveal()}"
    context.done(shown(row) | {"generated": made.reveal()}, text)


@token.command("list")
@click.pass_obj
def list_(context: Context) -> None:
    """List the tokens, the oldest first."""
    rows = [shown(row) for row in tokens.list_tokens(context.desk)]
    columns = ("id", "label", "owner", "role", "tenant", "domains", "scope", "expires")
    context.table(rows, columns, "no tokens; make one: xtramail token add LABEL")


@token.command()
@click.argument("id")
@click.pass_obj
def revoke(context: Context, id: str) -> None:
    """Take back the token ID; it opens nothing any more."""
    row = context.run(tokens.revoke_token(context.desk, id))
    context.done({"revoked": row.id}, f"token {row.id} ({row.label}) revoked.")
