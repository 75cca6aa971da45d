"""``xtramail route``: where mail is handed, which hosts carry what a domain sends, where single addresses live."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, password_from_stdin
from xtramail.app.own_doors import refuse_own_doors
from xtramail.directory import routes
from xtramail.directory.route_words import HERE, HIGHEST, WHEN, Route, read
from xtramail.model.secret import Secret

COLUMNS = ("domain", "way", "host", "priority", "for", "user", "login")
_OUT = click.option("--out", is_flag=True, help="Of what its people send to the world.")


@click.group(cls=Commands)
def route() -> None:
    """Say where mail of a domain is handed, by which hosts it leaves, and which addresses live elsewhere."""


def shown(one: Route) -> dict[str, object]:
    return {
        "domain": one.domain,
        "way": one.way,
        "host": one.target,
        "priority": one.priority or None,
        "for": one.when,
        "user": one.user,
        "login": one.login,
        "password": "set" if one.secret else "",
    }


@route.command()
@click.argument("domain")
@click.argument("host", metavar="HOST[:PORT]|here")
@click.option(
    "--priority",
    type=click.IntRange(0, HIGHEST),
    help="The lowest is tried first, equal ones share.  [default: behind those there are]",
)
@click.option("--user", default="", metavar="ADDRESS", help="Only for this address of DOMAIN.")
@_OUT
@click.option(
    "--for",
    "when",
    type=click.Choice(WHEN),
    default="always",
    show_default=True,
    help="With --out. up: while it answers and the primary is not away, else mail goes by itself; down: while it is.",
)
@click.option("--login", default="", metavar="NAME", help="With --out: who logs in there; the password is piped in.")
@click.pass_obj
def add(
    context: Context, domain: str, host: str, priority: int | None, user: str, out: bool, when: str, login: str
) -> None:
    """Add a route of DOMAIN; it holds for mail that waits, too.

    \b
    route add D HOST                  mail for D is handed to HOST (in short: domain set D primary=HOST)
    route add D HOST --user A@D       A lives at HOST, and its mail is handed there
    route add D here --user A@D       A lives here; its mail is kept here and handed to nobody
    route add D here                  the same of every user here; the primary has the others
    route add D HOST --out --for up   what D sends goes by HOST, and directly while that is down
    """
    password = Secret(password_from_stdin()) if login else None
    new = read(host, out=out, when=when, priority=priority, user=user, login=login, password=password)
    if not new.here:
        refuse_own_doors(context.settings, [(new.host, new.port)])
    done = context.run(routes.add_route(context.desk, domain, new))
    context.done(shown(done), f"route added: {words(done)}.")


def words(one: Route) -> str:
    """What a route does."""
    if one.way == "out":
        when = {"always": "", "up": " while that answers", "down": " while its primary is down"}[one.when]
        return f"what {one.domain} sends goes by {one.target}{when}"
    if one.host == HERE:
        return f"{one.user or f'every user of {one.domain}'} lives here; other hosts get nothing of it"
    return f"mail for {one.user or one.domain} is handed to {one.target}, priority {one.priority}"


@route.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_(context: Context, domain: str | None) -> None:
    """List the routes of DOMAIN, or of all."""
    found = routes.routes_of(context.desk, domain) if domain else routes.all_routes(context.desk)
    empty = "no routes: mail is kept here, and leaves by itself; add one: xtramail route add DOMAIN HOST"
    context.table([shown(one) for one in found], COLUMNS, empty)


@route.command()
@click.argument("domain")
@click.argument("host", required=False, default="", metavar="[HOST[:PORT]|here]")
@click.option("--user", default="", metavar="ADDRESS", help="Of this address.")
@_OUT
@click.pass_obj
def show(context: Context, domain: str, host: str, user: str, out: bool) -> None:
    """Show one route of DOMAIN, by HOST where there are several."""
    one = routes.route_of(context.desk, domain, host, out=out, user=user)
    context.fields(shown(one))


@route.command()
@click.argument("domain")
@click.argument("host", required=False, default="", metavar="[HOST[:PORT]|here]")
@click.option("--user", default="", metavar="ADDRESS", help="Of this address.")
@_OUT
@click.pass_obj
def remove(context: Context, domain: str, host: str, user: str, out: bool) -> None:
    """Remove a route of DOMAIN; HOST where there are several. Mail that waits goes by those that are left."""
    done = context.run(routes.remove_route(context.desk, domain, host, out=out, user=user))
    context.done(shown(done) | {"removed": True}, f"route removed: {done.domain} {done.target} {done.user}".rstrip())
