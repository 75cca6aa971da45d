"""``xtramail totp``: two-step sign-in of users."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import click
import segno

from xtramail.app.command.context import Commands, Context
from xtramail.directory import totp as second_step
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.secret import Secret

_ADMIN = click.option(
    "--admin", is_flag=True, help="As an administrator, who needs no code; it is written down who that was."
)
_LONGEST = 64
"""Characters of a line with a code."""


@click.group(cls=Commands)
def totp() -> None:
    """Two-step sign-in of a user: codes of a phone beside the password.

    With it on, mail programs need device passwords: xtramail device add. A CODE that is not given, or is -, is asked
    for at a terminal and else read from standard input, where no list of processes and no history of a shell shows it.
    """


def _picture(uri: str) -> str:
    out = io.StringIO()
    segno.make(uri, error="m").terminal(out, compact=True)
    return out.getvalue()


def _given(code: str | None) -> str:
    """What was typed; none and ``-`` stand for what a person is asked for, or a line of standard input."""
    if code is not None and code != "-":
        return code
    if sys.stdin.isatty():
        # On standard error: what is printed may go into a file.
        return str(click.prompt("Code", err=True))
    typed = sys.stdin.buffer.readline(_LONGEST + 2).decode("utf-8", "replace").strip()
    if not typed or len(typed) > _LONGEST:
        raise BadInput(f"code: give it as one line of at most {_LONGEST} characters on standard input")
    return typed


def _told(codes: Sequence[Secret]) -> str:
    lines = "\n".join(f"  {code.reveal()}" for code in codes)
    return f"Recovery codes, each for one time, shown once:\n{lines}"


@totp.command()
@click.argument("address")
@click.pass_obj
def start(context: Context, address: str) -> None:
    """Make a secret for an authenticator, and show it as text and as a QR code.

    Nothing changes until a code of it was given: xtramail totp confirm.
    """
    parsed = Address.parse(address)
    made = context.run(second_step.start(context.desk, parsed, context.keyring))
    secret, uri = made.secret.reveal(), made.uri.reveal()
    if not context.as_json:
        click.echo(_picture(uri))
    context.done(
        {"user": parsed.key, "secret": secret, "uri": uri},
        f"Secret: {secret}\nURI: {uri}\nThen type the code that the phone shows: xtramail totp confirm {parsed.key}",
    )


@totp.command()
@click.argument("address")
@click.argument("code", required=False)
@click.pass_obj
def confirm(context: Context, address: str, code: str | None) -> None:
    """Switch it on by the CODE that the phone shows, and print recovery codes once.

    Mail programs that are logged in with the user's own password are logged out.
    """
    parsed = Address.parse(address)
    codes = context.run(second_step.confirm(context.desk, parsed, _given(code), context.keyring))
    user = context.desk.account(parsed).address
    context.done(
        {"user": user, "two-step": "on", "recovery-codes": [one.reveal() for one in codes]},
        f"two-step sign-in of {user} is on. Mail programs now need: xtramail device add {user} --name NAME\n"
        + _told(codes),
    )


@totp.command()
@click.argument("address")
@click.argument("code", required=False)
@click.pass_obj
def check(context: Context, address: str, code: str | None) -> None:
    """See whether CODE is good now, to know a caller; it cannot be used again."""
    parsed = Address.parse(address)
    context.run(second_step.check(context.desk, parsed, _given(code), context.keyring))
    context.done({"user": parsed.key, "code": "good"}, f"the code of {parsed.key} is good.")


@totp.command()
@click.argument("address")
@click.argument("code", required=False)
@_ADMIN
@click.pass_obj
def disable(context: Context, address: str, code: str | None, admin: bool) -> None:
    """Switch it off, by a CODE of the phone or a recovery code, or as an administrator."""
    typed = _one_of(code, admin)
    parsed = Address.parse(address)
    context.run(second_step.disable(context.desk, parsed, context.keyring, code=typed))
    context.done({"user": parsed.key, "two-step": "off"}, f"two-step sign-in of {parsed.key} is off.")


@totp.command()
@click.argument("address")
@click.argument("code", required=False)
@_ADMIN
@click.pass_obj
def codes(context: Context, address: str, code: str | None, admin: bool) -> None:
    """Make new recovery codes in place of the old ones, and print them once."""
    typed = _one_of(code, admin)
    parsed = Address.parse(address)
    made = context.run(second_step.new_codes(context.desk, parsed, context.keyring, code=typed))
    context.done({"user": parsed.key, "recovery-codes": [one.reveal() for one in made]}, _told(made))


def _one_of(code: str | None, admin: bool) -> str | None:
    """The code that was given; None: by an administrator."""
    if admin and code is not None:
        raise click.UsageError("give a code, or --admin to do without one")
    return None if admin else _given(code)
