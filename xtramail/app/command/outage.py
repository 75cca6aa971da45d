"""``xtramail outage``: how it stands with the primaries, and how it stood."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from xtramail.app.command.context import Commands, Context, when
from xtramail.app.command.private_file import refuse_there, write_private
from xtramail.app.evidence_page import lasting, page
from xtramail.delivery.audit import Audit
from xtramail.delivery.evidence import MOST_WRONG, Evidence, count, kept
from xtramail.delivery.ledger_look import LedgerLook
from xtramail.directory.open_mail import open_mail
from xtramail.directory.primaries import primary_of
from xtramail.model.duration import duration_text
from xtramail.model.errors import BadInput
from xtramail.store import keys, outages
from xtramail.store.outages import OutageRow

NEXT = {
    "up": "",
    "suspect": "it failed; a few more faults and it is down",
    "down": "its mail is kept; it is looked at every few seconds",
    "recovering": "what waited is being handed over",
}


@click.group(cls=Commands)
def outage() -> None:
    """Show which primaries are away, since when, why, and what waits."""


def _named(context: Context, name: str | None) -> list[str]:
    rows = [context.desk.domain(name)] if name else context.desk.domains()
    if name and not rows[0].primaries:
        raise BadInput(f"domain {rows[0].name} is local: it has no primary that could be away")
    return [row.name for row in rows if row.primaries]


@outage.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def status(context: Context, name: str | None) -> None:
    """How it stands with each domain's primary now, and how much mail waits for it."""
    rows = []
    for domain in _named(context, name):
        row = primary_of(context.engine, domain)
        hint = NEXT.get(row.state, f"let its mail go: xtramail domain release {domain}")
        rows.append(
            {
                "domain": domain,
                "state": row.state,
                "since": when(row.since),
                "cause": row.cause,
                "held-by": row.held_by,
                "outage": str(row.outage) if row.outage else "",
                "waiting": open_mail(context.engine, domain),
                "next": hint,
            }
        )
    columns = ("domain", "state", "since", "waiting", "cause", "next")
    context.table(rows, columns, "no domain has a primary; add one: xtramail domain add NAME --primary HOST")


def _shown(domain: str, row: OutageRow) -> dict[str, object]:
    last = row.ended or row.answered
    return {
        "id": str(row.id),
        "domain": domain,
        "started": when(row.started),
        "answered": when(row.answered),
        "ended": when(row.ended),
        "lasted": duration_text(round(last - row.started)) if last else "goes on",
        "cause": row.cause,
    }


@outage.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many each.")
@click.pass_obj
def history(context: Context, name: str | None, limit: int) -> None:
    """Outages of the last year, the newest first."""
    rows = [
        _shown(domain, row)
        for domain in _named(context, name)
        for row in context.engine.read(keys.domain_scope(domain), lambda snap: outages.outages(snap, limit))
    ]
    rows.sort(key=lambda row: str(row["started"]), reverse=True)
    context.table(rows, ("id", "domain", "started", "ended", "lasted", "cause"), "no outage is on record")


def _found(context: Context, id: str) -> tuple[str, OutageRow]:
    """An outage by its id, with its domain."""
    if not id.isascii() or not id.isdigit() or len(id) > 19:
        raise BadInput(f"id {id!r}: the number that `xtramail outage history` shows")
    for domain in _named(context, None):
        row = context.engine.read(keys.domain_scope(domain), partial(outages.outage, outage_id=int(id)))
        if row is not None:
            return domain, row
    raise BadInput(f"id {id}: no such outage; see: xtramail outage history")


@outage.command()
@click.argument("id")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the evidence as a page to FILE.")
@click.option("--force", is_flag=True, help="Also over a file that is there.")
@click.pass_obj
def show(context: Context, id: str, html: Path | None, force: bool) -> None:
    """Show one outage: each state its primary went through, what became of its mail, who worked here meanwhile.

    Its mail is counted when it is over, and that is kept for a year; while it goes on it is counted now.
    """
    domain, row = _found(context, id)
    if html is not None and not force:
        refuse_there([html])
    was_kept = kept(row)
    evidence = was_kept or count(context.engine, domain, row, context.now())
    if html is not None:
        try:
            write_private(html, page(evidence))
        except OSError as error:
            raise BadInput(f"{html}: {error.strerror or error}; name another file") from None
        context.done({"id": id, "file": str(html)}, f"The evidence of outage {id} is in {html}.")
        return
    steps = [
        {"at": when(one.at), "before": one.before, "after": one.after, "by": one.by, "cause": one.cause}
        for one in evidence.steps
    ]
    if context.as_json:
        found = {"kept": was_kept is not None, **_evidence(evidence)}
        context.done(_shown(domain, row) | {"steps": steps, "evidence": found}, "")
        return
    context.fields(_shown(domain, row) | _told(evidence))
    context.table(steps, ("at", "before", "after", "by", "cause"), "no step is on record any more")


def _told(evidence: Evidence) -> dict[str, object]:
    """What a person wants to know of it, a line each."""
    return {
        "received": f"{evidence.received}, and {evidence.waited} waited already",
        "fates": evidence.fates,
        "balanced": evidence.balanced,
        "longest-delay": lasting(evidence.longest_delay) if evidence.longest_message else "",
        "median-delay": lasting(evidence.median_delay) if evidence.longest_message else "",
        "sent": evidence.sent,
        "sent-back": evidence.sent_back,
        "active-users": evidence.active,
        "drafts-left": evidence.drafts,
        **({"wrong": list(evidence.wrong)} if evidence.wrong else {}),
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    """As JSON shows it."""
    return {
        "counted": when(evidence.counted),
        "received": evidence.received,
        "waited": evidence.waited,
        "fates": evidence.fates,
        "balanced": evidence.balanced,
        "wrong": list(evidence.wrong),
        "longest-delay-seconds": round(evidence.longest_delay, 3),
        "longest-delay-message": evidence.longest_message,
        "median-delay-seconds": round(evidence.median_delay, 3),
        "sent": evidence.sent,
        "sent-back": evidence.sent_back,
        "copies": evidence.copies,
        "drafts-left": evidence.drafts,
        "active-users": evidence.active,
        "users": [
            {
                "address": one.address,
                "received": one.received,
                "read": one.read,
                "sent": one.sent,
                "filed": one.filed,
                "deleted": one.deleted,
                "drafts-left": one.drafts,
                "logins": {service: when(at) for service, at in one.logins.items()},
            }
            for one in evidence.users
        ],
        "timeline": {
            "start": when(evidence.timeline.start),
            "seconds": evidence.timeline.seconds,
            "received": list(evidence.timeline.received),
            "sent": list(evidence.timeline.sent),
            "delivered": list(evidence.timeline.delivered),
        },
    }


@outage.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--outage", "id", metavar="ID", help="Only mail of that outage.")
@click.pass_obj
def balance(context: Context, name: str | None, id: str | None) -> None:
    """Look whether every accepted message has one fate for each recipient: counts, rows and queue.

    Of all mail, of what was accepted for a domain's primary, or of one outage. The server looks at all of it each hour.
    """
    wrong: list[str] = []
    if id is not None:
        domain, row = _found(context, id)
        if name is not None and context.desk.domain(name).name != domain:
            raise BadInput(f"outage {id} is of {domain}, not of {name}")
        evidence = count(context.engine, domain, row, context.now())
        accepted, fates = evidence.received + evidence.waited, evidence.fates
        wrong += evidence.wrong
        if not evidence.balanced and not wrong:
            wrong.append(f"{accepted} accepted, {sum(fates.values())} fates")
    else:
        look = LedgerLook(
            engine=context.engine, domain=context.desk.domain(name).name if name is not None else ""
        )
        for _ in look.walk():
            pass
        accepted, fates = look.accepted, look.fate_counts
        wrong += look.wrong
        if name is None:
            audit = Audit(context.engine)
            for _ in audit.walk():
                pass
            wrong += [one.text for one in audit.found]
    value: dict[str, object] = {
        "accepted": accepted,
        **fates,
        "balanced": not wrong,
        "wrong": wrong if context.as_json else wrong[:MOST_WRONG],
    }
    context.fields(value)
    if wrong:
        click.get_current_context().exit(1)
