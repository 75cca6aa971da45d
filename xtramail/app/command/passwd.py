"""``xtramail user passwd``: a new password for one user, for those of a file, or for all of a domain."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click

from xtramail.app.command.context import Context, count_of, password_from_stdin, sure
from xtramail.app.command.group import Reporting
from xtramail.app.command.new_file import NewFile, csv_text
from xtramail.directory import bulk_passwords, password_policy, passwords, users
from xtramail.model.address import Address
from xtramail.model.errors import BadInput, XtramailError
from xtramail.model.secret import Secret
from xtramail.store.records import Account

_LARGEST = 5 << 20


def new_hash(context: Context, address: Address, *, generate: bool, password_stdin: bool) -> tuple[str, str]:
    """The hash to keep and, when we made it, the password to show once. Both empty when neither is asked for."""
    if generate and password_stdin:
        raise click.UsageError("choose one of --generate and --password-stdin")
    if generate:
        made = passwords.generate()
        return passwords.hash_generated(made, context.keyring), made.reveal()
    if not password_stdin:
        return "", ""
    chosen = password_from_stdin()
    password_policy.check(chosen, address)
    return passwords.hash_chosen(Secret(chosen), context.keyring, context.settings.login.bcrypt_cost), ""


@click.command(cls=Reporting)
@click.argument("address", required=False)
@click.option("--all", "everybody", is_flag=True, help="All users of --domain.")
@click.option("--domain", metavar="NAME", help="Whose users, with --all.")
@click.option("--users", "file", metavar="FILE", help="Those of a file: an address a line, or in a CSV's first column.")
@click.option("--generate", is_flag=True, help="Make a strong password for each, and print it once.")
@click.option("--csv", "target", metavar="FILE", help="A new file for generated passwords, for your eyes only.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
@click.option("--temporary", is_flag=True, help="To be changed by the user; mail programs work with it all the same.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def passwd(
    context: Context,
    address: str | None,
    everybody: bool,
    domain: str | None,
    file: str | None,
    generate: bool,
    target: str | None,
    password_stdin: bool,
    temporary: bool,
    yes: bool,
) -> None:
    """Give a user, or many, a new password; mail programs that use the old one are logged out.

    Device passwords stay as they are.
    """
    if not generate and not password_stdin:
        raise click.UsageError("give a password: --generate makes one, --password-stdin reads one")
    if generate and password_stdin:
        raise click.UsageError("choose one of --generate and --password-stdin")
    if [address is not None, everybody, file is not None].count(True) != 1 or everybody is not (domain is not None):
        raise click.UsageError("name a user, or give --all with --domain NAME, or --users FILE")
    if target is not None and (not generate or address is not None):
        raise click.UsageError("--csv goes with --generate for many users")
    if address is not None:
        _one(context, Address.parse(address), generate=generate, temporary=temporary)
        return
    # Read and made as whom we were called by, before the store makes us its owner.
    lines = _lines(Path(file)) if file is not None else []
    with ExitStack() as stack:
        sheet = stack.enter_context(NewFile("csv", target)) if target is not None else None
        chosen = _of_file(context, Path(file), lines) if file is not None else _of_domain(context, domain or "")
        if not chosen:
            raise BadInput("there is nobody whose password could be changed")
        sure(f"Give {count_of(len(chosen), 'user')} a new password?", yes=yes)
        _many(context, chosen, generate=generate, sheet=sheet, temporary=temporary)


def _one(context: Context, address: Address, *, generate: bool, temporary: bool) -> None:
    context.desk.account(address)
    hashed, plain = new_hash(context, address, generate=generate, password_stdin=not generate)
    account = context.run(users.set_password(context.desk, address, hashed, temporary=temporary))
    value = {"address": account.address, "password": "set", "temporary": temporary}
    text = f"user {account.address}: password changed."
    context.done(
        value | ({"generated": plain} if plain else {}),
        text + (f"\nPassword (shown once): {plain}" if plain else ""),
    )


def _many(
    context: Context, chosen: Sequence[Account], *, generate: bool, sheet: NewFile | None, temporary: bool
) -> None:
    keyring, plain = context.keyring, [""] * len(chosen)
    if generate:
        made = [passwords.generate() for _ in chosen]
        plain = [one.reveal() for one in made]
        hashes = [passwords.hash_generated(one, keyring) for one in made]
    else:
        given, cost = password_from_stdin(), context.settings.login.bcrypt_cost
        for account in chosen:
            password_policy.check(given, Address.parse(account.address))
        hashes = []
        # bcrypt lets go of the interpreter: one thread for each core.
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for hashed in pool.map(lambda _: passwords.hash_chosen(Secret(given), keyring, cost), chosen):
                hashes.append(hashed)
                _progress("hashed", len(hashes), len(chosen))
    rows = [{"address": account.address, "generated": text} for account, text in zip(chosen, plain, strict=True)]
    if sheet is not None:
        # On the disk before any of them is in force: what nobody knows would shut everybody out.
        sheet.write(csv_text([("address", "password"), *((one["address"], one["generated"]) for one in rows)]))
    told = 0

    def progress(durable: int) -> None:
        nonlocal told
        told = durable
        _progress("changed", durable, len(chosen))

    changing = bulk_passwords.set_passwords(
        context.desk,
        [(Address.parse(account.address), hashed) for account, hashed in zip(chosen, hashes, strict=True)],
        temporary=temporary,
        progress=progress,
    )
    try:
        done = context.run(changing)
    except XtramailError as error:
        where = f"; {sheet.place} has those of all" if sheet is not None else ""
        raise BadInput(f"{error.text}; {told} of {len(chosen)} passwords were changed{where}; run it again") from None
    text = f"{count_of(done, 'password')} changed."
    if sheet is not None or not generate:
        where = f" They are in {sheet.place}: hand them out, then delete it." if sheet is not None else ""
        context.done({"changed": done} | ({"csv": sheet.place} if sheet is not None else {}), text + where)
    else:
        context.table(rows, ("address", "generated"), "nobody")


def _of_domain(context: Context, name: str) -> list[Account]:
    return [account for account in users.list_users(context.desk, name) if account.kind != "list"]


def _lines(place: Path) -> list[str]:
    """BadInput where it is no text of a size that can be."""
    with place.open("rb") as file:
        octets = file.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        raise BadInput(f"users: {place} is larger than {_LARGEST >> 20} MiB")
    try:
        # Not splitlines(): it knows line ends that no editor counts.
        return octets.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise BadInput(f"users: {place} is not UTF-8 text") from None


def _of_file(context: Context, place: Path, lines: Sequence[str]) -> list[Account]:
    """BadInput names the line that is wrong."""
    found: dict[int, Account] = {}
    for number, line in enumerate(lines, 1):
        try:
            cell = next(iter(next(csv.reader([line.removesuffix("\r")]), [])), "").strip().lstrip("'")
        except csv.Error as error:
            raise BadInput(f"users: {place} line {number}: {error}; nothing was changed") from None
        if not cell or cell.startswith("#") or (number == 1 and "@" not in cell):
            continue
        try:
            account = context.desk.account(Address.parse(cell))
        except XtramailError as error:
            raise BadInput(f"users: {place} line {number}: {error.text}; nothing was changed") from None
        if account.kind == "list":
            raise BadInput(f"users: {place} line {number}: {account.address} is a list; nothing was changed")
        found[account.id] = account
    return list(found.values())


def _progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} {what}", nl=done == total, err=True)
