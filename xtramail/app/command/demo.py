"""``xtramail demo``: a whole demonstration on this machine, and the walk through an outage."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from xtramail.app.command.context import Commands, Context
from xtramail.app.demo_folder import ANN, BEN, DemoFolder
from xtramail.app.demo_server import Ports, first_mail, prepare, running, settings_of
from xtramail.app.demo_tour import Tour

DEFAULT = Path("var")


@click.group(cls=Commands)
def demo() -> None:
    """Try xtramail out on this machine: a server, two users, and a next hop that can be taken down."""


def place_of(context: Context, directory: Path | None) -> DemoFolder:
    """The demonstration meant: the folder named, the one of the settings named, or ./var."""
    if directory is not None:
        return DemoFolder(directory.absolute())
    beside = context.loaded.file
    if beside is not None and DemoFolder(beside.parent).exists:
        return DemoFolder(beside.parent.absolute())
    return DemoFolder(DEFAULT.absolute())


def _in(place: DemoFolder, context: Context) -> Context:
    """The same way of speaking, on the installation of that demonstration."""
    return Context(config=str(place.config), as_json=context.as_json)


folder = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Its folder.  [default: that of --config, else ./var]",
)


@demo.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT)
@click.pass_obj
def run(context: Context, directory: Path) -> None:
    """Run a demonstration in DIRECTORY until Ctrl-C, made there first if there is none."""
    place = DemoFolder(directory.absolute())
    fresh = prepare(place, context.now())
    # Made with the one before: whoever stopped it while the primary was down wants to see it up.
    place.bring_up()
    ports = Ports.of(settings_of(place))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with running(place, ports) as both:
            both.wait_until_up()
            sent = first_mail(ports)
            click.echo(greeting(place, ports, sent, fresh=fresh))
            sys.stdout.flush()
            both.wait()
    except KeyboardInterrupt:
        click.echo("\nstopped.")


def greeting(place: DemoFolder, ports: Ports, sent: int, *, fresh: bool) -> str:
    """Client settings, logins, and what to try next, as commands that can be pasted as they stand."""
    logins = place.logins()
    program = shlex.quote(str(Path(sys.argv[0]).absolute()))
    tool = f"{program} --config {shlex.quote(str(place.config))}"
    authority = shlex.quote(str(place.authority))
    ann = shlex.quote(f"{ANN}:{logins[ANN]}")
    users = "\n".join(f"  {address:<18} {password}" for address, password in logins.items())
    letter = f"From: {ANN}\\r\\nTo: {BEN}\\r\\nSubject: Lunch?\\r\\n\\r\\nAt noon?\\r\\n"
    return f"""
xtramail runs in {place.directory} ({"new" if fresh else "as it was left"}), {sent} messages were just sent to it.

Client settings (server localhost, certificate authority {place.authority})
  IMAP   port {ports.imaps}, TLS
  POP3   port {ports.pop3s}, TLS
  SMTP   port {ports.submissions}, TLS   (or {ports.submission}, STARTTLS)
  from the world: SMTP port {ports.smtp}; the demo primary listens on {place.primary_port}

Logins
{users}

Three things to try in another terminal
  1. Read the newest mail of Ann over IMAP:
     curl -s --cacert {authority} --user {ann} 'imaps://localhost:{ports.imaps}/INBOX;MAILINDEX=*'
  2. Send mail from Ann to Ben:
     printf '{letter}' | curl -s --cacert {authority} --user {ann} --mail-from {ANN} --mail-rcpt {BEN} \
--upload-file - smtps://localhost:{ports.submissions}
  3. See what happens while the primary is away:
     {tool} demo tour

By hand: {tool} demo primary down
Log: {place.folder / "server.log"}    Stop everything: Ctrl-C
"""


@demo.group(cls=Commands)
def primary() -> None:
    """Take the demonstration's primary down, or bring it back."""


@primary.command()
@folder
@click.pass_obj
def down(context: Context, directory: Path | None) -> None:
    """Take the primary down: connections to it are refused."""
    place = place_of(context, directory)
    place.logins()
    place.take_down()
    context.done({"primary": "down"}, "the demo primary is down; mail for it waits. See: xtramail queue list")


@primary.command()
@folder
@click.pass_obj
def up(context: Context, directory: Path | None) -> None:
    """Bring the primary back."""
    place = place_of(context, directory)
    place.logins()
    place.bring_up()
    context.done({"primary": "up"}, "the demo primary is up; what waited is handed over now.")


@demo.command()
@folder
@click.pass_obj
def tour(context: Context, directory: Path | None) -> None:
    """Walk through an outage of the primary on a running demonstration; takes under a minute."""
    place = place_of(context, directory)
    place.logins()
    inside = _in(place, context)
    result = Tour(place, Ports.of(inside.settings), inside.engine, _teller(context)).walk()
    counts = result.counts
    value = {
        "sent": result.sent,
        "arrived": result.seen,
        "twice": result.twice,
        "seconds": round(result.seconds, 1),
        "accepted": counts.accepted,
        "delivered": counts.delivered,
        "held": counts.held,
        "bounced": counts.other,
        "balanced": counts.holds,
    }
    verdict = "" if counts.holds else "   DOES NOT BALANCE"
    context.done(value, f"\n{counts}{verdict}   (ledger, {result.seconds:.0f} s)")
    if not counts.holds or result.seen != result.sent or result.twice:
        click.get_current_context().exit(1)


def _teller(context: Context) -> Callable[[str], None]:
    """Steps are for people; JSON is one value at the end."""

    def tell(text: str) -> None:
        if not context.as_json:
            click.echo(text)

    return tell
