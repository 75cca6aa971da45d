"""``xtramail domain test``: one message through us to the primary, before the MX moves or after."""

from __future__ import annotations

import click

from xtramail.app.command.context import Context
from xtramail.app.command.group import Reporting, load, plain
from xtramail.app.doors import host_of, place_of
from xtramail.app.probe import Probe, Step
from xtramail.directory.domain_settings import text
from xtramail.directory.imap_access import access_of
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.ids import id_text
from xtramail.store.records import DomainRow
from xtramail.store.server_lock import is_held

WAIT_SECONDS = 90
"""Longer than the first wait between two attempts: a primary that greylists takes it the second time."""


@click.command("test", cls=Reporting)
@click.argument("name")
@click.option("--to", "recipient", metavar="ADDRESS", help="In NAME.  [default: its canary, else postmaster]")
@click.option(
    "--wait",
    type=click.IntRange(1, 86_400),
    default=WAIT_SECONDS,
    show_default=True,
    help="Seconds for the primary to take it.",
)
@click.pass_obj
def test(context: Context, name: str, recipient: str | None, wait: int) -> None:
    """Send one message through us to the primary of NAME, and follow it until it is there.

    It comes in as the world's mail does, so the MX need not point here yet. Where the primary's IMAP is set up and the
    recipient has a mailbox, it is looked for there. Exit code 1 when a step fails, with what to do next.
    """
    row = context.desk.domain(name)
    if not row.primaries:
        raise BadInput(f"domain {row.name} has no primary to which mail could go; set one: primary=HOST")
    address, of_its_own = _recipient(row, recipient)
    if not is_held(context.paths.store):
        raise BadInput("domain test: no server runs on this store; start it: systemctl start xtramail")
    settings = context.named_settings
    place = next(filter(None, map(place_of, settings.listen.smtp)), None)
    if place is None:
        raise BadInput('domain test: no TCP port for mail of the world is set; such as [listen] smtp = ["tcp6:25"]')
    probe = Probe(
        domain=row.name,
        recipient=address,
        place=place,
        hostname=host_of(settings, row.name),
        wait=float(wait),
        access=access_of(row) if of_its_own else None,
    )
    run = load("xtramail.app.probe_run").Run(probe, context.engine)
    steps: list[Step] = []
    for step in run.steps():
        steps.append(step)
        if not context.as_json:
            _tell(step)
    good = steps[-1].good
    if context.as_json:
        value = {
            "domain": row.name,
            "to": str(address),
            "id": id_text(run.id) if run.id else None,
            "good": good,
            "steps": [_shown(step) for step in steps],
        }
        context.done(value, "")
    elif good:
        click.echo(f"\n{row.name} is ready for its MX: xtramail domain guide {row.name}")
        if access_of(row) is not None and not of_its_own:
            click.echo("Its mailbox was not looked into: postmaster may be an alias. Name one: --to ADDRESS")
    if not good:
        click.get_current_context().exit(1)


def _recipient(row: DomainRow, given: str | None) -> tuple[Address, bool]:
    """To whom it goes, and whether that is somebody with a mailbox of his own as far as we know."""
    chosen = given or text(row, "canary")
    address = Address.parse(chosen or f"postmaster@{row.name}")
    if address.domain_key != row.name:
        raise BadInput(f"to {chosen}: it is not in {row.name}; name an address in that domain")
    return address, bool(chosen)


def _state(step: Step) -> str:
    return "ok" if step.good else "waits" if step.waits else "failed"


def _shown(step: Step) -> dict[str, object]:
    return {
        "step": step.what,
        "state": _state(step),
        "seconds": round(step.seconds, 3),
        "text": step.text,
        "next": step.remedy,
    }


def _tell(step: Step) -> None:
    click.echo(f"{step.seconds:7.2f} s  {_state(step):<6}  {step.what:<9}  {plain(step.text)}")
    if step.remedy:
        click.echo(f"{'':28}next: {plain(step.remedy)}")
