"""``xtramail dkim``: keys by which a domain signs what it sends."""

from __future__ import annotations

import click

from xtramail.app.command.context import Commands, Context, sure, when
from xtramail.app.command.name_server import texts
from xtramail.directory import dkim_keys
from xtramail.directory.dkim_keys import DkimKey
from xtramail.wire.dkim.key_record import record_strings

_NAMESERVER = click.option(
    "--nameserver", metavar="HOST[:PORT]", help="Ask this one for the records.  [default: the machine's]"
)


@click.group(cls=Commands)
def dkim() -> None:
    """Sign what a domain sends (DKIM): keys made, published, put to work and replaced."""


@dkim.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--selector", default="", metavar="S", help="Its name in DNS.  [default: today's date]")
@click.option("--algorithm", default="both", show_default=True, metavar="rsa|ed25519|both", help="Two sign each mail.")
@click.option("--force", is_flag=True, help="The records are published already: sign from now on.")
@click.pass_obj
def create(context: Context, name: str, selector: str, algorithm: str, force: bool) -> None:
    """Make keys for DOMAIN and print the records to publish.

    They sign once DNS shows them: the server looks every five minutes, `activate` at once.
    """
    made = context.run(
        dkim_keys.create(context.desk, name, context.keyring, selector=selector, algorithm=algorithm)
    )
    if force:
        made = list(context.run(dkim_keys.activate(context.desk, name, None)).active)
    _made(context, made)


@dkim.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--check", is_flag=True, help="Say what DNS has of each key.")
@_NAMESERVER
@click.pass_obj
def show(context: Context, name: str, check: bool, nameserver: str | None) -> None:
    """Show the keys of DOMAIN: what each of them does, and its DNS record, ready to be pasted."""
    found = dkim_keys.of_domain(context.desk, name)
    seen = _seen(found, nameserver) if check or nameserver else {}
    if context.as_json:
        context.table([_shown(one) | ({"dns": seen[one.selector]} if seen else {}) for one in found], (), "")
        return
    if not found:
        click.echo(f"{name} signs nothing; make keys: xtramail dkim create {name}")
        return
    for one in found:
        said = f", in DNS: {seen[one.selector] or 'as it should be'}" if seen else ""
        click.echo(f"{one.selector}: {one.algorithm}, {_state(one)}{said}\n{one.zone_line}\n")


@dkim.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--force", is_flag=True, help="Do not ask DNS: the records are there.")
@_NAMESERVER
@click.pass_obj
def activate(context: Context, name: str, force: bool, nameserver: str | None) -> None:
    """Sign with the new keys of DOMAIN from now on, once DNS has their records; those before them are retired.

    Mail that the retired ones signed may be under way for two weeks: leave their records, then `rotate --drop`.
    """
    waiting = [one for one in dkim_keys.of_domain(context.desk, name) if one.state == "pending"]
    published = None
    unknown: dict[str, str] = {}
    if not force:
        asked = texts([one.record_name for one in waiting], nameserver)
        published = {one.selector: _known(asked[one.record_name]) for one in waiting}
        unknown = {one.selector: said for one in waiting if isinstance(said := asked[one.record_name], str)}
    done = context.run(dkim_keys.activate(context.desk, name, published))
    active = [one.selector for one in done.active]
    left = {one.selector: unknown.get(one.selector, fault) for one, fault in done.waiting}
    lines = [f"{one} signs from now on." for one in active]
    lines += [f"{selector} does not sign yet: {fault}" for selector, fault in left.items()]
    if left:
        lines.append(
            f"Publish what `xtramail dkim show {name}` prints and try again; where this machine cannot see it: --force"
        )
    context.done({"domain": name, "active": active, "waiting": left}, "\n".join(lines))
    if left:
        click.get_current_context().exit(1)


@dkim.command()
@click.argument("name", metavar="DOMAIN")
@click.option("--selector", default="", metavar="S", help="Name of the new keys in DNS.  [default: today's date]")
@click.option("--drop", is_flag=True, help="Forget the keys that were replaced, when no mail needs them any more.")
@click.option("--force", is_flag=True, help="With --drop: also those that mail under way may need.")
@click.pass_obj
def rotate(context: Context, name: str, selector: str, drop: bool, force: bool) -> None:
    """Make new keys for DOMAIN beside those that sign; publish what is printed, as for `create`.

    The keys before them go on signing until then, and stay known until `rotate --drop`.
    """
    if drop:
        gone = context.run(dkim_keys.drop(context.desk, name, early=force))
        names = [one.selector for one in gone]
        records = "\n".join(f"  {one.record_name}" for one in gone)
        context.done(
            {"domain": name, "dropped": names}, f"Dropped: {', '.join(names)}. Take out of DNS now:\n{records}"
        )
        return
    _made(context, context.run(dkim_keys.rotate(context.desk, name, context.keyring, selector=selector)))


@dkim.command()
@click.argument("name", metavar="DOMAIN")
@click.argument("selector")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, name: str, selector: str, yes: bool) -> None:
    """Forget one key of DOMAIN, at once; take its record out of DNS after that."""
    sure(f"Forget the key {selector} of {name}?", yes=yes)
    gone = context.run(dkim_keys.remove(context.desk, name, selector))
    context.done(
        {"domain": gone.domain, "removed": gone.selector},
        f"{gone.selector} of {gone.domain} is gone. Take out of DNS when no mail signed by it is under way: "
        f"{gone.record_name}",
    )


def _made(context: Context, made: list[DkimKey]) -> None:
    if context.as_json:
        context.table([_shown(one) for one in made], (), "")
        return
    domain = made[0].domain
    records = "\n\n".join(one.zone_line for one in made)
    names = ", ".join(one.selector for one in made)
    if all(one.state == "active" for one in made):
        click.echo(f"{names} of {domain}: signs from now on. Its DNS records:\n\n{records}")
        return
    click.echo(
        f"{names} of {domain} made. Publish in DNS:\n\n{records}\n\nThey sign when the server sees that, within five "
        f"minutes, or at once: xtramail dkim activate {domain}"
    )


def _shown(one: DkimKey) -> dict[str, object]:
    return {
        "domain": one.domain,
        "selector": one.selector,
        "algorithm": one.algorithm,
        "state": one.state,
        "created": when(one.created),
        "activated": when(one.activated),
        "retired": when(one.retired),
        "record-name": one.record_name,
        "record": one.record_text,
        "strings": record_strings(one.record_text),
        "zone-line": one.zone_line,
    }


def _state(one: DkimKey) -> str:
    match one.state:
        case "pending":
            return f"signs nothing yet: publish it; at once then: xtramail dkim activate {one.domain}"
        case "active":
            return f"signs since {when(one.activated)}"
        case _:
            return f"retired since {when(one.retired)}: leave its record until it is dropped"


def _seen(found: list[DkimKey], nameserver: str | None) -> dict[str, str]:
    asked = texts([one.record_name for one in found], nameserver)
    return {
        one.selector: said if isinstance(said := asked[one.record_name], str) else one.fault(said) for one in found
    }


def _known(said: list[str] | str) -> list[str]:
    return [] if isinstance(said, str) else said
