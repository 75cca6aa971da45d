"""The ``xtramail`` command: its commands in one place, in the order in which a newcomer needs them."""

from __future__ import annotations

import click

from xtramail import __version__
from xtramail.app.command.group import Program, load

EPILOG = """Settings are found by --config, then $XTRAMAIL_CONFIG, ./xtramail.toml, /etc/xtramail/xtramail.toml; with
--store DIR also beside that folder.

Exit codes: 0 done, 1 refused (with the reason), 2 usage."""

_HERE = "xtramail.app.command"

COMMANDS = {
    "init": (f"{_HERE}.init", "Make a new installation: settings, certificate, keys and an empty store."),
    "domain": (f"{_HERE}.domain", "Add, change, hold and remove served domains."),
    "user": (f"{_HERE}.user", "Add, change, show and remove users."),
    "device": (f"{_HERE}.device", "Passwords for single phones and programs: made, listed and revoked."),
    "totp": (f"{_HERE}.totp", "Two-step sign-in of a user: codes of a phone beside the password."),
    "auth": (f"{_HERE}.auth", "Who logged in, who was refused and why."),
    "dkim": (f"{_HERE}.dkim", "Sign what a domain sends (DKIM): keys made, published, put to work and replaced."),
    "tenant": (
        f"{_HERE}.tenant",
        "Who owns domains here, such as the customers of a provider: their admins see their own domains alone.",
    ),
    "admin": (f"{_HERE}.admin", "People who administrate: operators, and admins of a tenant or of single domains."),
    "token": (f"{_HERE}.token", "Tokens for programs that administrate: made, listed and revoked."),
    "audit": (f"{_HERE}.audit", "Who changed what and how it was before, each row sealed with all before it."),
    "blocked": (
        f"{_HERE}.blocked",
        "Show and release users who may send nothing to the world any more: too much, or too much of it refused.",
    ),
    "stats": (f"{_HERE}.stats", "Show how full mailboxes and domains are, and who sends how much to the world."),
    "outage": (f"{_HERE}.outage", "Show which primaries are away, since when, why, and what waits."),
    "maintenance": (
        f"{_HERE}.maintenance",
        "Plan times in which a domain's mail is held; it goes by itself when they are over.",
    ),
    "mirror": (
        f"{_HERE}.mirror",
        "Keep mail of a domain or an address in one mailbox beside, or for days of its own.",
    ),
    "alias": (
        f"{_HERE}.alias",
        "Let addresses stand for others, here or anywhere; @DOMAIN stands for all that are not listed.",
    ),
    "domain-alias": (
        f"{_HERE}.domain_alias",
        "Let a domain be another name of one that is served: the same users, mailboxes and logins.",
    ),
    "route": (
        f"{_HERE}.route",
        "Say where mail of a domain is handed, by which hosts it leaves, and which addresses live elsewhere.",
    ),
    "sender": (
        f"{_HERE}.sender",
        "Say who may send as an address that is not his own, such as info@ of an office.",
    ),
    "config": (f"{_HERE}.config", "Show which settings hold, and who set them."),
    "drill": (
        f"{_HERE}.drill",
        "Let chosen users work as in an outage while their primary goes on receiving, and see who could.",
    ),
    "alert": (f"{_HERE}.alert", "Show what people were told of, and try whether they can be told."),
    "queue": (f"{_HERE}.queue", "See, hurry or give up mail that waits to be handed on."),
    "trace": (
        f"{_HERE}.trace",
        "Follow mail by addresses, a Message-ID, our own id, words of the subject, or when it came.",
    ),
    "message": (f"{_HERE}.message", "Show, export or release one message by its id."),
    "mail": (f"{_HERE}.mail", "Import and export a user's mail: mbox, Maildir, or folders of EML files."),
    "replay": (f"{_HERE}.replay", "Send stored mail of a window of time to its primary again."),
    "expire": (f"{_HERE}.store", "Drop mail that is over its days, as the server does by itself."),
    "status": (f"{_HERE}.status", "Show the server at a glance."),
    "cert": (f"{_HERE}.cert", "List, check, install and request certificates."),
    "export": (f"{_HERE}.export", "Write domains, users and all else as one JSON document, sorted, an object a line."),
    "apply": (
        f"{_HERE}.apply",
        "Make domains, users and all else as a document has them, in one transaction: all of it or nothing.",
    ),
    "import": (
        f"{_HERE}.import_",
        "Add and change objects of one kind by a CSV file, in one transaction: all of it or nothing.",
    ),
    "verify": (f"{_HERE}.store", "Check all that is kept, while the server runs or not."),
    "backup": (f"{_HERE}.backup", "Write store, settings, certificates and keys into a new folder."),
    "restore": (f"{_HERE}.backup", "Bring back what a backup wrote."),
    "store": (f"{_HERE}.store", "Look after the store itself."),
    "readiness": (
        f"{_HERE}.readiness",
        "Say how ready DOMAIN is for an outage: a score of 100, who could not log in, and what to do next.",
    ),
    "doctor": (f"{_HERE}.doctor", "Check ports, certificates, DNS, store, clock, backup, queue and primaries."),
    "demo": (
        f"{_HERE}.demo",
        "Try xtramail out on this machine: a server, two users, and a next hop that can be taken down.",
    ),
}


@click.group(cls=Program, modules=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="Settings of the installation to work on.")
@click.option("--store", metavar="DIR", help="Folder of the store to work on, instead of the one in the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead of text.")
@click.version_option(__version__, prog_name="xtramail")
@click.pass_context
def main(ctx: click.Context, config: str | None, store: str | None, as_json: bool) -> None:
    """Administer an xtramail server: an email continuity gateway.

    A change takes effect on a running server within a second, and works while it is stopped. The server itself is
    started with: twistd -n xtramail --config FILE
    """
    ctx.obj = load(f"{_HERE}.context").Context(config=config, store=store, as_json=as_json)
