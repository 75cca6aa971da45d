"""``xtramail user recover``: what a user deleted is put back, or destroyed for privacy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from xtramail.app.command.context import Context, Reporting, count_of, size_text, sure, when
from xtramail.app.command.group import plain
from xtramail.directory.desk import Change
from xtramail.mailbox.recovery import Deleted, Purged, PutBack, deleted, purge, put_back
from xtramail.model.address import Address
from xtramail.model.duration import parse_duration
from xtramail.model.errors import BadInput
from xtramail.model.ids import id_text


def moment(text: str, now: float) -> float:
    """Seconds since 1970 of ``2026-11-21``, ``2026-11-21T08:00:00Z``, or ``3d`` (so long ago); UTC where no zone is
    given. BadInput otherwise."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"time {text!r}: write it as 2026-11-21, 2026-11-21T08:00 (UTC), or as 3d or 12h ago") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


@click.command(cls=Reporting)
@click.argument("address")
@click.option("--since", metavar="TIME", help="Only what was deleted since: 2026-11-21, 2026-11-21T08:00, 3d, 12h.")
@click.option("--mailbox", metavar="NAME", help="Only what was deleted from this mailbox.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--purge", "purging", is_flag=True, help="Destroy it instead, for privacy; needs --yes in a script.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def recover(
    context: Context, address: str, since: str | None, mailbox: str | None, dry_run: bool, purging: bool, yes: bool
) -> None:
    """Put back what a user deleted, by any client, as long as its days last.

    Each message goes to the mailbox where it was, as it was, and keeps its expiry. A mailbox that was deleted is made
    again. What is back stays back: run it again after it was cut off.

    With --purge it is destroyed: nobody can have it back. A copy that another user got of the same delivery stays
    whole, and a message that still waits for the primary is left.
    """
    parsed = Address.parse(address)
    account = context.desk.account(parsed)
    now = context.now()
    found = deleted(
        context.engine, account.id, since=moment(since, now) if since is not None else 0.0, mailbox=mailbox or ""
    )
    if dry_run or not found:
        _tell_found(context, account.address, found)
        return
    if purging:
        if not yes and not sys.stdin.isatty():
            raise BadInput(f"--purge destroys {count_of(len(found), 'message')} for ever; add --yes if that is wanted")
        sure(f"Destroy {count_of(len(found), 'message')} that {account.address} deleted, for ever?", yes=yes)
        _note(context, "user recover --purge", parsed, len(found))
        _tell_purged(
            context, account.address, context.run(purge(context.engine, account.id, found, now, _progress(context)))
        )
        return
    _note(context, "user recover", parsed, len(found))
    result = context.run(put_back(context.engine, account.id, found, now, _progress(context)))
    _tell_back(context, account.address, result)


def _note(context: Context, what: str, address: Address, messages: int) -> None:
    """Before it is begun: it is done in many commits, and may be cut off."""
    told = Change(what, address.key, address.domain_key, after={"messages": messages})
    context.run(context.desk.change(told, []))


class _Line:
    """How far it is, for a person who waits: a line of standard error that is written over."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def __call__(self, done: int, total: int) -> None:
        if not self._quiet:
            click.echo(f"\r{done} of {total} messages", nl=done == total, err=True)


def _progress(context: Context) -> _Line:
    return _Line(quiet=context.as_json or not sys.stderr.isatty())


def _tell_found(context: Context, address: str, found: Sequence[Deleted]) -> None:
    by_mailbox: dict[str, list[Deleted]] = {}
    for one in found:
        by_mailbox.setdefault(one.mailbox, []).append(one)
    rows = [
        {
            "mailbox": name,
            "exists": some[0].exists,
            "messages": len(some),
            "size": sum(one.size for one in some),
            "first-deleted": when(min(one.origin.expunged_at for one in some)),
            "last-deleted": when(max(one.origin.expunged_at for one in some)),
            "by": sorted({one.origin.by for one in some}),
        }
        for name, some in sorted(by_mailbox.items())
    ]
    if context.as_json:
        context.done({"address": address, "messages": len(found), "mailboxes": rows}, "")
        return
    for row in rows:
        row["size"] = size_text(float(str(row["size"])))
    columns = ("mailbox", "exists", "messages", "size", "first-deleted", "last-deleted", "by")
    context.table(rows, columns, f"{address} deleted nothing that could be put back.")


def _tell_back(context: Context, address: str, result: PutBack) -> None:
    counts = {name: count for name, count in sorted(result.mailboxes.items()) if count}
    value = {
        "address": address,
        "messages": result.messages,
        "mailboxes": [{"mailbox": name, "messages": count} for name, count in counts.items()],
        "made": sorted(result.made),
        "left": result.left,
    }
    lines = [f"{count_of(result.messages, 'message')} of {address} put back."]
    lines += [
        f"  {name}: {count}{' (made again)' if name in result.made else ''}" for name, count in counts.items()
    ]
    if result.left:
        lines.append(
            f"{count_of(result.left, 'message')} left: the quota has no room. Raise it, then run this again: "
            f"xtramail user set {address} quota=SIZE"
        )
    context.done(value, plain("\n".join(lines)))
    if result.left:
        click.get_current_context().exit(1)


def _tell_purged(context: Context, address: str, result: Purged) -> None:
    waiting = [id_text(number) for number in result.waiting]
    value = {"address": address, "purged": result.messages, "bodies": result.bodies, "waiting": waiting}
    lines = [
        f"{count_of(result.messages, 'message')} that {address} had deleted destroyed; "
        f"{count_of(result.bodies, 'text')} removed from the store."
    ]
    if result.bodies < result.messages:
        lines.append("A text stays, until it expires, where another copy of it is left or cannot be ruled out.")
    if waiting:
        lines.append(
            f"{count_of(len(waiting), 'message')} left, which still waits to be handed on: {', '.join(waiting)}\n"
            f"See: xtramail queue list. When its fate is settled, run this again."
        )
    context.done(value, "\n".join(lines))
    if waiting:
        click.get_current_context().exit(1)
