"""``xtramail replay``: stored mail of a window of time goes to its primary again."""

from __future__ import annotations

import sys
from typing import Any

import click

from xtramail.app.command.context import Context, Reporting, count_of, when
from xtramail.app.command.maintenance import moment
from xtramail.app.command.on_reactor import run_on_reactor
from xtramail.delivery.asking import NobodyToAsk
from xtramail.delivery.replay import MOST_NAMED, Replay, Totals
from xtramail.delivery.replay_choice import Wanted, Why
from xtramail.delivery.suppression import Suppression
from xtramail.directory.desk import Change
from xtramail.directory.directory import Directory
from xtramail.directory.domain_settings import text
from xtramail.directory.imap_access import access_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.ids import IdSource, id_text
from xtramail.net.primary_imap import PrimaryImap
from xtramail.store.records import DomainRow

DAY = 86_400.0

WORDS = {
    Why.PRESENT: "lie in their mailboxes at the primary",
    Why.WAITING: "wait in the queue already",
    Why.REPLAYED: "were sent again before (--again sends them once more)",
    Why.DELETED: "were deleted by their users (--deleted sends them, too)",
    Why.BOUNCED: "were refused by the primary for good (--bounced sends them, too)",
    Why.COPIES: "came here as copies and were never handed to the primary by us",
    Why.GONE: "are no longer stored, or damaged (xtramail verify)",
    Why.UNKNOWN: "are left alone: nobody could look into their mailboxes at the primary",
}


@click.command(cls=Reporting)
@click.argument("name", metavar="DOMAIN")
@click.option("--from", "start", metavar="WHEN", required=True, help="Arrived since: -2h, or 2026-12-24T18:00 (UTC).")
@click.option("--to", "end", metavar="WHEN", default="now", show_default=True, help="The same; that moment excluded.")
@click.option("--user", metavar="ADDRESS", help="Only mail for this user.")
@click.option("--only-missing", is_flag=True, help="Only what is not in the mailbox at the primary, by its IMAP.")
@click.option("--sent", is_flag=True, help="Also what users sent, into their own mailboxes at the primary.")
@click.option("--deleted", is_flag=True, help="Also what users deleted here.")
@click.option("--bounced", is_flag=True, help="Also what the primary refused for good.")
@click.option("--again", is_flag=True, help="Also what a replay sent before.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@click.pass_obj
def replay(context: Context, /, name: str, start: str, end: str, user: str | None, **chosen: bool) -> None:
    """Send stored mail of a window of time to its primary again.

    What arrived in the window, for each recipient that it was for. It goes through the queue, at most `replay-rate`
    messages a minute, and is sent once however often this is run. Nobody outside is told of it, whatever comes of it.
    """
    domain, now = context.desk.domain(name), context.now()
    begins, ends = moment("from", start, now), moment("to", end, now)
    if not domain.primaries:
        raise BadInput(
            f"domain {domain.name} is local: there is no primary to send to; set one: "
            f"xtramail domain set {domain.name} primary=HOST"
        )
    if ends <= begins:
        raise BadInput(f"to {end!r}: must be after --from ({when(begins)})")
    if chosen["only_missing"] and access_of(domain) is None:
        raise BadInput(
            f"--only-missing looks into the mailboxes at the primary, and {domain.name} has no IMAP for that; set it: "
            f"xtramail domain set {domain.name} primary-imap=HOST primary-imap-secret=-. Without --only-missing all "
            f"of the window is sent that no replay sent before"
        )
    wanted = Wanted(
        domain=domain, start=begins, end=ends, user=_user(domain, user) if user is not None else "", **chosen
    )
    if not wanted.dry_run:
        after = {"from": when(begins), "to": when(ends), "user": wanted.user}
        context.run(context.desk.change(Change("replay", domain.name, domain.name, after=after), []))
    totals = run_on_reactor(lambda reactor: _run(context, reactor, wanted))
    _say(context, wanted, totals)
    if totals.counts[Why.UNKNOWN]:
        click.get_current_context().exit(1)


def _user(domain: DomainRow, user: str) -> str:
    address = Address.parse(user)
    if address.domain_key != domain.name:
        raise BadInput(f"user {user!r}: not in {domain.name}, whose mail is to be sent again")
    return address.key


async def _run(context: Context, reactor: Any, wanted: Wanted) -> Totals:
    refused: list[str] = []
    imap = PrimaryImap(reactor, refused=lambda domain, said: refused.append(said))
    directory = Directory(engine=context.engine, clock=context.clock, asker=NobodyToAsk())
    one = Replay(
        engine=context.engine,
        directory=directory,
        suppression=Suppression(engine=context.engine, directory=directory),
        mailboxes=imap,
        clock=context.clock,
        ids=IdSource(context.clock),
        hold_seconds=context.settings.relay.hold_days * DAY,
        by=context.desk.actor.name,
    )
    try:
        totals = await one.run(wanted, _progress(context))
    finally:
        imap.close()
        if sys.stderr.isatty() and not context.as_json:
            click.echo("", err=True)
    for said in refused:
        click.echo(said, err=True)
    return totals


def _progress(context: Context) -> Any:
    """A line for a person who watches; scripts get the totals."""
    watched = sys.stderr.isatty() and not context.as_json

    def told(totals: Totals) -> None:
        if watched:
            line = f"\r{totals.counts.total()} looked at, {totals.counts[Why.QUEUED]} queued"
            click.echo(line, err=True, nl=False)

    return told


def _say(context: Context, wanted: Wanted, totals: Totals) -> None:
    counts, domain = totals.counts, wanted.domain.name
    value: dict[str, object] = {
        "domain": domain,
        "from": when(wanted.start),
        "to": when(wanted.end),
        "dry-run": wanted.dry_run,
        **{why.value: counts[why] for why in Why},
        "last-goes": when(totals.last_due),
        "not-looked-into": sorted(totals.unknown),
        "messages": [{"id": id_text(number), "recipient": recipient} for number, recipient in totals.named],
        "all-named": len(totals.named) == counts[Why.QUEUED],
    }
    sent = counts[Why.QUEUED]
    does = "would go" if wanted.dry_run else "goes" if sent == 1 else "go"
    lines = [f"{count_of(sent, 'message')} {does} to the primary of {domain} again."]
    if sent and not wanted.dry_run:
        rate = text(wanted.domain, "replay-rate")
        lines.append(f"The last one at {when(totals.last_due)}, by {rate} a minute; see: xtramail queue list")
    if wanted.dry_run:
        lines += [f"  {id_text(number)}  {recipient}" for number, recipient in totals.named]
        lines += [f"  and {sent - MOST_NAMED} more"] if sent > MOST_NAMED else []
    lines += [f"{counts[why]} {words}." for why, words in WORDS.items() if counts[why]]
    if totals.unknown:
        some = ", ".join(sorted(totals.unknown)[:20])
        lines.append(f"Not looked into: {some}. Check its primary-imap settings, then run this again.")
    context.done(value, "\n".join(lines))
