"""``xtramail audit``: who changed what, and whether what is written of it is whole."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, cell, count_of, sure, when
from xtramail.app.command.trace import moment_back
from xtramail.directory import audit_log
from xtramail.directory.audit_log import Entry
from xtramail.model.errors import BadInput
from xtramail.store.records import AuditRow

_RESTORED = """
A store that was restored from a backup is older than what was noted, so rows are missing, or others have their numbers.
If that is so, and it was you: xtramail audit accept"""
_TIMES = frozenset({"expires", "since"})
"""What rows have as seconds since 1970."""


@click.group(cls=Commands)
def audit() -> None:
    """Who changed what and how it was before, each row sealed with all before it."""


def shown(entry: Entry) -> dict[str, object]:
    row = entry.row
    return {
        "number": entry.number,
        "time": when(row.at),
        "actor": row.actor,
        "role": row.role,
        "how": row.how,
        "what": row.what,
        "object": row.object,
        "domain": row.domain,
        "tenant": row.tenant,
        "before": row.before,
        "after": row.after,
    }


def words(row: AuditRow) -> str:
    """``quota: 5 -> 7; status: active -> disabled``."""
    before, after = row.before or {}, row.after or {}
    if row.before is None or row.after is None:
        told = (after or before).items()
        return "; ".join(f"{name}: {_said(name, value)}" for name, value in told if value not in ("", None))
    return "; ".join(
        f"{name}: {_said(name, before.get(name))} -> {_said(name, after.get(name))}" for name in {**before, **after}
    )


def _said(name: str, value: str | float | bool | None) -> str:
    """One value for people."""
    if name in _TIMES and isinstance(value, int | float):
        return when(value) or "none"
    return cell(value)


@audit.command("list")
@click.option("--since", metavar="TIME", help="Not older: so long ago, such as 2h, or ISO 8601.")
@click.option("--actor", default="", metavar="NAME", help="Only who is called so.")
@click.option("--domain", default="", metavar="NAME", help="Only of this domain.")
@click.option("--object", "thing", default="", metavar="NAME", help="Only of this one: an address, a domain.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Most rows, the newest.")
@click.pass_obj
def list_(context: Context, since: str | None, actor: str, domain: str, thing: str, limit: int) -> None:
    """List changes, the newest first."""
    found = audit_log.audit_rows(
        context.desk,
        since=moment_back("since", since, context.now()) if since else 0.0,
        actor=actor,
        domain=domain,
        object=thing,
        most=limit,
    )
    if context.as_json:
        context.table([shown(one) for one in found], (), "")
        return
    rows = [shown(one) | {"change": words(one.row)} for one in found]
    context.table(rows, ("number", "time", "actor", "how", "what", "object", "change"), "nothing was changed yet")


@audit.command()
@click.option("--head", "noted", metavar="NUMBER:SEAL", help="As it was printed earlier, or is in the server's log.")
@click.pass_obj
def verify(context: Context, noted: str | None) -> None:
    """Walk all rows and see that none was altered, taken out or put in; exit code 1 if one was.

    How the rows end is held against the note beside the password keys, which each change renews. Who can write both
    could make all rows anew, from some row on to the end. That is seen by a --head which was kept elsewhere: what this
    command printed earlier, or a line `changed` of the server's log.
    """
    found = audit_log.verify_audit(context.desk, noted=audit_log.read_noted(noted) if noted else None)
    kept, by_note = context.changes_head.noted(), False
    if kept is not None and not found.broken:
        found = audit_log.verify_audit(context.desk, noted=kept)
        by_note = bool(found.broken)
    head = f"{found.number}:{found.seal.hex()}" if found.number else ""
    value = {
        "rows": found.rows,
        "whole": not found.broken,
        "broken": found.broken or None,
        "fault": found.fault,
        "head": head,
    }
    if found.broken:
        text = f"broken at row {found.broken}: {found.fault}."
        see = "See: xtramail audit list, the server's log, and the newest good backup"
        context.done(value, f"{text}\n{see}{_RESTORED if by_note else ''}")
        click.get_current_context().exit(1)
    context.done(value, f"{count_of(found.rows, 'row')}, all as they were written.\nHead: {head or 'none yet'}")


@audit.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def accept(context: Context, yes: bool) -> None:
    """Go on from how the log of changes ends now, though it ended otherwise: after a restore of an older backup.

    What is missing stays missing; that it was accepted, and by whom, is a row of the log.
    """
    kept = context.changes_head
    try:
        noted, legible = kept.noted(), True
    except BadInput:
        noted, legible = None, False
    fault = audit_log.head_fault(context.engine, noted) if noted is not None else ""
    if legible and not fault:
        context.done({"accepted": ""}, "it ends as it was noted: nothing to accept.")
        return
    sure(f"{fault or 'what was noted cannot be read'}: go on from how the log ends now?", yes=yes)
    told = context.run(audit_log.accept_head(context.desk, noted))
    kept.write(audit_log.head(context.engine))
    context.done({"accepted": told}, f"accepted: {told}.")
