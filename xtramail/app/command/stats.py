"""``xtramail stats``: how full mailboxes are, and who sends how much."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, size_text
from xtramail.directory.quota_figures import DomainUse, UserUse, quota_use
from xtramail.directory.sent_figures import SenderFigures, sent_lately

_MOST = 100


@click.group(cls=Commands)
def stats() -> None:
    """Show how full mailboxes and domains are, and who sends how much to the world."""


@stats.command()
@click.argument("domain", required=False)
@click.option("--over", type=click.IntRange(1, 1_000), metavar="PERCENT", help="Only what is fuller; exit code 1 then.")
@click.option("--limit", type=click.IntRange(1), default=_MOST, show_default=True, help="At most so many users.")
@click.pass_obj
def quota(context: Context, domain: str | None, over: int | None, limit: int) -> None:
    """Show users by share of their quota, the fullest first, and the sum of each domain.

    With --over 90 it is a check: nothing is shown and the exit code is 0 while nobody is over 90 percent.
    """
    found = quota_use(context.desk, domain or "")
    users = [user for one in found for user in one.users if over is None or _over(user, over)]
    users.sort(key=lambda user: (-(user.share or 0.0), -user.used, user.address))
    sums = [one for one in found if over is None or _over(one, over)]
    if context.as_json:
        value = {"domains": [_domain(one) for one in sums], "users": [_user(one) for one in users[:limit]]}
        context.done(value | {"more": max(len(users) - limit, 0)}, "")
    elif users or sums or over is None:
        rows = [_readable(_user(one)) for one in users[:limit]]
        context.table(rows, ("share", "used", "quota", "address"), "no users")
        if len(users) > limit:
            click.echo(f"... and {len(users) - limit} more: --limit")
        click.echo("")
        rows = [_readable(_domain(one)) for one in sums]
        context.table(rows, ("share", "used", "quota", "promised", "users", "domain"), "no domains")
    if over is not None and (users or sums):
        click.get_current_context().exit(1)


@stats.command()
@click.argument("domain", required=False)
@click.option("--limit", type=click.IntRange(1), default=_MOST, show_default=True, help="At most so many.")
@click.pass_obj
def senders(context: Context, domain: str | None, limit: int) -> None:
    """Show who sent how much to the world in the last hour and day; who sent most first. Hosts by their domain."""
    found = sent_lately(context.desk, domain or "")
    rows = [_sender(one) for one in found[:limit]]
    if not context.as_json:
        rows = [_readable(row) for row in rows]
    columns = ("sender", "hour", "of", "day", "messages-day", "octets-day", "refused-day", "blocked")
    context.table(rows, columns, "nobody sent anything to the world in the last day")
    if len(found) > limit and not context.as_json:
        click.echo(f"... and {len(found) - limit} more: --limit")


def _over(one: UserUse | DomainUse, percent: int) -> bool:
    return one.share is not None and one.share * 100 > percent


def _user(one: UserUse) -> dict[str, object]:
    return {"address": one.address, "used": one.used, "quota": one.quota, "share": _percent(one.share)}


def _domain(one: DomainUse) -> dict[str, object]:
    return {
        "domain": one.domain,
        "used": one.used,
        "quota": one.quota,
        "share": _percent(one.share),
        "promised": one.promised,
        "users": len(one.users),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)


def _sender(one: SenderFigures) -> dict[str, object]:
    return {
        "sender": one.name,
        "domain": one.domain,
        "hour": one.hour.recipients,
        "of": one.per_hour,
        "day": one.day.recipients,
        "messages-hour": one.hour.messages,
        "messages-day": one.day.messages,
        "octets-hour": one.hour.octets,
        "octets-day": one.day.octets,
        "refused-hour": one.hour.bounced,
        "refused-day": one.day.bounced,
        "blocked": one.blocked,
    }


def _readable(row: dict[str, object]) -> dict[str, object]:
    """As people read it: octets as sizes, shares in percent, nothing where there is no limit."""
    shown = dict(row)
    for name, value in row.items():
        if name in ("used", "quota", "promised", "octets-day") and isinstance(value, int):
            shown[name] = size_text(value) if value or name == "used" else None
        elif name == "share" and value is not None:
            shown[name] = f"{value} %"
        elif name == "of":
            shown[name] = value or None
        elif name == "blocked":
            shown[name] = "blocked" if value else None
    return shown
