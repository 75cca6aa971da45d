"""``xtramail user card``: emergency cards, into files for their owner's eyes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from xtramail.app.card import card as card_of
from xtramail.app.card import card_html, card_text
from xtramail.app.command.context import Context, count_of
from xtramail.app.command.group import Reporting
from xtramail.app.command.private_file import refuse_there, write_private
from xtramail.app.command.privilege import folder_for_owner
from xtramail.directory import users
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.store.records import Account

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-_+")
_LONGEST = 150


def file_name(address: str) -> str:
    """A name that is one file in any folder, and nobody else's: what was changed for that is marked by a digest."""
    safe = "".join(c if c in _SAFE else "_" for c in address)[:_LONGEST].lstrip(".-")
    if safe == address:
        return safe
    return f"{safe}-{hashlib.sha256(address.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


@click.command("card", cls=Reporting)
@click.argument("address", required=False)
@click.option("--all", "everybody", is_flag=True, help="Of every user of --domain.")
@click.option("--domain", metavar="NAME", help="Whose users, with --all.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the files; made if missing.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.pass_obj
def card(
    context: Context, address: str | None, everybody: bool, domain: str | None, out: Path | None, force: bool
) -> None:
    """Write how to work here when the usual mail is away.

    Server names, ports, security and user name, for one user or all of a domain, as text and HTML; never a password.
    Without --out the text of one card is printed.
    """
    if (address is None) == (not everybody) or (everybody and domain is None) or (domain is not None and not everybody):
        raise click.UsageError("name one ADDRESS, or --all with --domain NAME")
    if out is None:
        if address is None:
            raise click.UsageError("--all needs --out DIR")
    else:
        # While this may still be root.
        folder_for_owner(out, context.paths.store)
    chosen = _chosen(context, address, domain)
    settings = context.named_settings
    cards = [(one, card_of(settings, context.desk.domain(_domain(one)), one)) for one in chosen]
    if out is None:
        text = card_text(cards[0][1])
        context.done({"address": chosen[0].address, "text": text}, text.rstrip("\n"))
        return
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = [
        (out / f"{file_name(one.address)}.{ending}", written(made))
        for one, made in cards
        for ending, written in (("txt", card_text), ("html", card_html))
    ]
    if not force:
        refuse_there([place for place, _ in files])
    for place, text in files:
        write_private(place, text)
    context.done(
        {"directory": str(out), "files": [str(place) for place, _ in files]},
        f"{count_of(len(cards), 'card')} written to {out}, as text and HTML.",
    )


def _domain(account: Account) -> str:
    return Address.parse(account.address).domain_key


def _chosen(context: Context, address: str | None, domain: str | None) -> list[Account]:
    if address is not None:
        found = context.desk.account(Address.parse(address))
        if found.kind == "list":
            raise BadInput(f"user {found.address} is a list, which has no mailbox here; name one of its members")
        return [found]
    name = context.desk.domain(domain or "").name
    some = [one for one in users.list_users(context.desk, name) if one.kind == "user" and one.status == "active"]
    if not some:
        raise BadInput(f"domain {name} has no users who can log in; add one: xtramail user add NAME@{name} --generate")
    return some
