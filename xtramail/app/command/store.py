"""``xtramail expire``, ``verify`` and ``store``: the days that end, and whether what is kept is whole."""

from __future__ import annotations

import secrets
import sys
import time

import click

from xtramail.app.command.context import Commands, Context, become_owner, size_text
from xtramail.delivery.retention import GRACE, Dropped, Plan, RetentionJob
from xtramail.model.bucket import Bucket, bucket_class, bucket_day
from xtramail.model.clock import day_start
from xtramail.model.errors import BadInput, FormatMismatch
from xtramail.store import keys, schema
from xtramail.store import verify as verifying
from xtramail.store.engine import Snapshot
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.server_lock import is_held


def shown_bucket(bucket: Bucket, owners: dict[int, str], allowed: bool) -> dict[str, object]:
    day = day_start(bucket_day(bucket))
    return {
        "day": time.strftime("%Y-%m-%d", time.gmtime(day)),
        "kind": owners.get(bucket_class(bucket), str(bucket_class(bucket))),
        "now": "yes" if allowed else "only with --confirm",
    }


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--confirm", is_flag=True, help="The clock is right: drop everything that is over its days, at once.")
@click.pass_obj
def expire(context: Context, dry_run: bool, confirm: bool) -> None:
    """Drop mail that is over its days, as the server does by itself each minute.

    Expiry pauses when the clock has jumped, and unconfirmed it never drops more than two days of mail in one day.
    """
    if dry_run and confirm:
        raise click.UsageError("choose one of --dry-run and --confirm")
    engine = context.engine
    serving = is_held(context.paths.store)
    dropped: list[Dropped] = []
    job = RetentionJob(
        engine=engine,
        clock=context.clock,
        run=f"command {secrets.token_hex(4)}",
        on_drop=dropped.append,
        on_pause=lambda reason: None,
        # Nobody reads while no server runs; a running one deletes the rows itself, 15 minutes from now.
        grace=GRACE if serving else 0.0,
    )
    plan = job.plan()
    if confirm:
        plan = context.run(job.confirm())
    elif not dry_run:
        plan = context.run(job.run())
    rows = 0 if dry_run or serving else context.run(job.sweep())
    _tell(context, plan, dropped, rows, dry_run=dry_run)


def _tell(context: Context, plan: Plan, dropped: list[Dropped], rows: int, *, dry_run: bool) -> None:
    def owners_of(snap: Snapshot) -> dict[int, str]:
        return {number: row.owner for number, row in schema.retention_classes(snap).items()}

    owners = context.engine.read(keys.STORE, owners_of)
    buckets = [shown_bucket(bucket, owners, bucket in plan.allowed) for bucket in plan.buckets]
    value = {"over": buckets, "paused": plan.paused, "dropped": len(dropped), "rows-deleted": rows}
    if context.as_json:
        context.done(value, "")
        return
    if plan.paused and not dropped:
        click.echo(f"expiry is paused: {plan.paused}")
    if dry_run:
        context.table(buckets, ("day", "kind", "now"), "nothing is over its days")
        return
    click.echo(f"{len(dropped)} buckets dropped, {rows} rows deleted.")
    left = len(plan.buckets) - len(dropped)
    if left:
        click.echo(f"{left} more are over their days; see: xtramail expire --dry-run")


@click.command()
@click.pass_obj
def verify(context: Context) -> None:
    """Read everything that is kept and check it: checksums, counters, indexes, bodies. Works while the server runs."""
    folder = context.paths.store
    if not (folder / "data.mdb").exists():
        raise BadInput(f"there is no store in {folder}; name it with --store DIR")
    become_owner(folder)
    quiet = context.as_json or not sys.stderr.isatty()

    def progress(report: verifying.Report) -> None:
        if not quiet:
            click.echo(f"\r{report.rows} rows, {size_text(report.octets)}", nl=False, err=True)

    report = verifying.verify(folder, progress)
    if not quiet:
        click.echo("", err=True)
    value = {
        "rows": report.rows,
        "octets": report.octets,
        "messages": report.messages,
        "buckets": report.buckets,
        "oldest-day": report.oldest_day,
        "findings": [str(finding) for finding in report.findings],
    }
    if context.as_json:
        context.done(value, "")
    else:
        click.echo(
            f"{report.rows} rows, {size_text(report.octets)}, {report.messages} messages in {report.buckets} buckets; "
            f"oldest readable day: {report.oldest_day or 'none'}"
        )
        for finding in report.findings:
            click.echo(f"fault: {finding}")
        click.echo("no fault found" if not report.findings else f"{len(report.findings)} faults; restore from a backup")
    if report.findings:
        click.get_current_context().exit(1)


@click.group(cls=Commands)
def store() -> None:
    """Look after the store itself."""


@store.command()
@click.pass_obj
def upgrade(context: Context) -> None:
    """Bring the store to the format of this version. Stop the server and make a backup first."""
    folder = context.paths.store
    if is_held(folder):
        raise BadInput("a server holds this store; stop it first")
    become_owner(folder)
    engine = LmdbEngine(folder, map_size=context.settings.store.map_size)
    try:
        found = engine.read(keys.STORE, schema.format_of)
    finally:
        engine.close()
    if found is not None and found != keys.FORMAT:
        raise FormatMismatch(f"the store has format {found}; this version knows {keys.FORMAT} and no way between them")
    context.done({"format": keys.FORMAT}, f"the store has format {keys.FORMAT} already; nothing to do")
