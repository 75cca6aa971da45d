"""``xtramail expire``, ``verify`` and ``store``: the days that end, and whether what is kept is whole."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click

from xtramail.app.command.context import Commands, Context, Reporting, count_of, size_text
from xtramail.app.command.group import plain
from xtramail.app.command.privilege import folder_for_owner
from xtramail.app.command.upgrade_text import upgrade_text, upgrade_value
from xtramail.app.salvage import Salvage
from xtramail.app.salvage import salvage as salvage_store
from xtramail.app.upgrade import Choice, upgrade_store
from xtramail.delivery.retention import GRACE, Dropped, Plan, RetentionJob, read_state
from xtramail.directory.desk import Change, Told
from xtramail.model.bucket import Bucket, bucket_class, bucket_day
from xtramail.model.clock import day_start
from xtramail.model.errors import BadInput
from xtramail.store import keys, mailboxes, messages, schema
from xtramail.store import verify as verifying
from xtramail.store.engine import Snapshot
from xtramail.store.filesystem import DATA_FILE
from xtramail.store.lmdb_engine import LmdbEngine
from xtramail.store.server_lock import is_held
from xtramail.store.upgrade import StepDone

REMEDY = "what is damaged is never served; stop the server and restore a backup, or ask for what is missing"


@click.command(cls=Reporting)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--confirm", is_flag=True, help="The clock is right: drop everything that is over its days, at once.")
@click.pass_obj
def expire(context: Context, dry_run: bool, confirm: bool) -> None:
    """Drop mail that is over its days, as the server does by itself.

    Expiry pauses when the clock has jumped, and unconfirmed it never drops more than two days of mail in one day.
    """
    if dry_run and confirm:
        raise click.UsageError("choose one of --dry-run and --confirm")
    engine = context.engine
    serving = is_held(context.paths.store)
    dropped: list[Dropped] = []
    job = _job(context, _run_of(engine, serving), dropped, GRACE)
    plan = job.plan()
    # Counted before it goes.
    over = shown_buckets(engine, plan.buckets, plan.buckets if confirm else plan.allowed)
    try:
        if confirm:
            plan = context.run(job.confirm())
        elif not dry_run:
            plan = context.run(job.run())
    finally:
        _note(context, over, {one.bucket for one in dropped}, confirm=confirm)
    # Nobody reads while no server runs; a running one deletes the rows itself, 15 minutes from now.
    rows = 0 if dry_run or serving else context.run(_job(context, "", [], 0.0).sweep())
    _tell(context, plan, over, {one.bucket for one in dropped}, rows, dry_run=dry_run)


def _note(context: Context, over: list[dict[str, object]], dropped: set[Bucket], *, confirm: bool) -> None:
    """The row in the log of changes: which days went, and whether somebody vouched for the clock.

    Behind the drops, not before them: a store that is full must not be kept from making room.
    """
    if not dropped and not confirm:
        return
    gone = [one for one in over if one["bucket"] in dropped]
    after: Told = {
        "days": ", ".join(sorted({str(one["day"]) for one in gone})),
        "of": ", ".join(sorted({str(one["of"]) for one in gone if one["of"]})),
        "messages": sum(int(str(one["messages"])) for one in gone),
        "confirmed": confirm,
    }
    context.run(context.desk.change(Change("expire", "mail", after=after), []))


def _job(context: Context, run: str, dropped: list[Dropped], grace: float) -> RetentionJob:
    return RetentionJob(
        engine=context.engine,
        clock=context.clock,
        run=run,
        on_drop=dropped.append,
        on_pause=lambda reason: None,
        grace=grace,
    )


def _run_of(engine: LmdbEngine, serving: bool) -> str:
    """The run that looks at the clock: a running server's own, so that its agreement with the clock is not broken off.

    Monotonic clocks of processes on one machine count from the same moment.
    """
    run = engine.read(keys.STORE, read_state).run if serving else ""
    return run or f"command {secrets.token_hex(4)}"


def shown_buckets(engine: LmdbEngine, buckets: Iterable[Bucket], going: Iterable[Bucket]) -> list[dict[str, object]]:
    """What is over its days: whose, of which day, how much, and whether it goes now."""
    owners = engine.read(keys.STORE, schema.retention_classes)
    counts = {bucket: [0, 0] for bucket in buckets}

    def count(snap: Snapshot) -> None:
        for row in mailboxes.mailboxes(snap):
            for bucket, tally in messages.counters(snap, row).items():
                if bucket in counts:
                    counts[bucket][0] += tally.messages
                    counts[bucket][1] += tally.bytes

    for scope in engine.scopes(keys.USER_PREFIX) if counts else ():
        engine.read(scope, count)
    now = set(going)
    return [
        {
            "bucket": bucket,
            "day": time.strftime("%Y-%m-%d", time.gmtime(day_start(bucket_day(bucket)))),
            "of": owners[bucket_class(bucket)].owner if bucket_class(bucket) in owners else "",
            "messages": copies,
            "size": octets,
            "goes": bucket in now,
        }
        for bucket, (copies, octets) in counts.items()
    ]


def _tell(
    context: Context, plan: Plan, over: list[dict[str, object]], dropped: set[Bucket], rows: int, *, dry_run: bool
) -> None:
    gone = [one for one in over if one["bucket"] in dropped]
    value = {
        "over": [{name: part for name, part in one.items() if name != "bucket"} for one in over],
        "paused": plan.paused,
        "dropped": len(dropped),
        "messages": sum(int(str(one["messages"])) for one in gone),
        "rows-deleted": rows,
    }
    if context.as_json:
        context.done(value, "")
        return
    if dry_run:
        for one in over:
            one["size"] = size_text(float(str(one["size"])))
            one["goes"] = "now" if one["goes"] else "with --confirm"
        context.table(over, ("day", "of", "messages", "size", "goes"), "nothing is over its days")
    else:
        days = count_of(len({one["day"] for one in gone}), "day")
        copies = count_of(int(str(value["messages"])), "message")
        click.echo(f"{copies} of {days} dropped." if dropped else "nothing was dropped.")
        left = len(over) - len(gone)
        if left:
            click.echo(f"{left} more days of a domain or log are over; see: xtramail expire --dry-run")
    if plan.paused:
        click.echo(f"expiry is paused: {plan.paused}")


@click.command(cls=Reporting)
@click.pass_obj
def verify(context: Context) -> None:
    """Check all that is kept, while the server runs or not.

    Reads every row: checksums, counters, indexes, bodies. Exit code 1 when there is a fault.
    """
    folder = context.store_folder
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
            f"{report.rows} rows, {size_text(report.octets)}, {count_of(report.messages, 'message')}; "
            f"oldest readable day: {report.oldest_day or 'none'}"
        )
        for finding in report.findings:
            click.echo(plain(f"fault: {finding}"))
        click.echo("no fault found" if not report.findings else f"{count_of(len(report.findings), 'fault')}; {REMEDY}")
    if report.findings:
        click.get_current_context().exit(1)


@click.group(cls=Commands)
def store() -> None:
    """Look after the store itself."""


@store.command()
@click.option("--dry-run", is_flag=True, help="Only count what would change.")
@click.option(
    "--backup", type=click.Path(path_type=Path, file_okay=False), help="A new folder for a backup, made first."
)
@click.option("--no-backup", is_flag=True, help="Make none: the upgrade cannot be taken back.")
@click.pass_obj
def upgrade(context: Context, dry_run: bool, backup: Path | None, no_backup: bool) -> None:
    """Bring the store to the format of this version, while the server is stopped.

    A backup is made first. Cut off at any moment, the same command goes on where it was; until it is done no version
    opens the store. Taking it back is restoring that backup with the version that wrote the store.
    """
    if dry_run + (backup is not None) + no_backup > 1:
        raise click.UsageError("choose one of --dry-run, --backup and --no-backup")
    if is_held(context.paths.store):
        raise BadInput("a server holds this store; stop it first")
    if backup is not None and (context.paths.store / DATA_FILE).exists():
        folder_for_owner(backup, context.paths.store)
    context.store_folder  # noqa: B018  # as root we become its owner here
    quiet = context.as_json or not sys.stderr.isatty()

    def say(text: str) -> None:
        if not context.as_json:
            click.echo(text, err=True)

    def progress(step: StepDone) -> None:
        if not quiet:
            counts = f"{count_of(step.looked, 'row')}, {step.changed} changed"
            click.echo(f"\rformat {step.before} to {step.before + 1}: {counts}", nl=False, err=True)

    done = upgrade_store(
        context.paths,
        Choice(dry=dry_run, backup=backup, no_backup=no_backup),
        formats=context.formats,
        map_size=context.settings.store.map_size,
        now=context.now(),
        say=say,
        progress=progress,
    )
    if done is None:
        context.done(
            {"format": context.formats.to}, f"the store has format {context.formats.to} already; nothing to do"
        )
        return
    if not quiet:
        click.echo("", err=True)
    context.done(upgrade_value(done), upgrade_text(done))


@store.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def salvage(context: Context, directory: Path) -> None:
    """Write all that can be read of a damaged store into a new backup.

    For a store that ``verify`` finds broken and of which there is no good backup. DIRECTORY is made, or is there and
    empty; the server is stopped. The damaged store is only read, page by page and not through its database, so nothing
    in it can hurt the reader. What comes out is checked, and goes back with: xtramail restore DIRECTORY
    """
    folder_for_owner(directory, context.store_folder)

    def progress(text: str) -> None:
        if not context.as_json:
            click.echo(text, err=True)

    done = salvage_store(context.paths, directory, now=context.now(), progress=progress)
    gaps = [f"{one.why}; keys from {one.low.hex() or 'the first'} to {_end(one.high)}" for one in done.read.lost]
    value = {
        "directory": str(done.made.folder),
        "rows": done.read.rows,
        "rows-damaged": done.read.damaged,
        "rows-found-alone": done.read.found_alone,
        "in-doubt": done.read.in_doubt,
        "last-commit-in-doubt": done.read.older,
        "gaps": gaps,
        "messages": done.checked.messages,
        "findings": [str(finding) for finding in done.checked.findings],
    }
    context.done(value, _told(done, gaps))


def _end(high: bytes | None) -> str:
    return high.hex() if high is not None else "the last"


_SHOWN = 20


def _told(done: Salvage, gaps: list[str]) -> str:
    read = done.read
    lines = [f"{count_of(read.rows, 'row')} and {count_of(done.checked.messages, 'message')} saved."]
    if read.damaged:
        lines.append(f"{count_of(read.damaged, 'row')} damaged and left out.")
    if gaps:
        lines.append(f"{count_of(len(gaps), 'gap')} in the tree; behind them: {count_of(read.found_alone, 'row')}.")
        lines += [f"gap: {gap}" for gap in gaps[:_SHOWN]]
    if read.older:
        lines.append("a meta page is damaged: what was written last, within a second, may be missing.")
    if read.in_doubt:
        lines.append("the list of free pages is damaged too: what was found behind the gaps may be an older state.")
    lines += [f"missing: {finding}" for finding in done.checked.findings[:_SHOWN]]
    more = max(len(gaps), len(done.checked.findings)) - _SHOWN
    if more > 0:
        lines.append("there is more; see all of it with --json")
    lines.append(f"Next: move the damaged store aside, then: xtramail restore {done.made.folder}")
    return "\n".join(lines)
