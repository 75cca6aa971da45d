"""Groups of commands: each command is loaded when it is used, and all of them refuse in one way.

Owns exit codes and how errors are told: 0 done, 1 refused with the reason, 2 usage. With ``--json``, before or behind
the command's name, an error is JSON on standard output too. What commands work with is ``context``'s.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import takewhile
from types import ModuleType
from typing import Any, NoReturn

import click

from xtramail.model.errors import XtramailError

REFUSED = 1
USAGE = 2


def load(module: str) -> ModuleType:
    """A module of ours that costs time to import, when it is needed: ``--help`` answers at once."""
    return import_module(module)


def plain(text: str) -> str:
    """Text that may come from anybody's mail as a terminal may have it: no control character but line ends."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def json_text(value: object) -> str:
    """ASCII only, so that it is valid in every locale."""
    return json.dumps(value, indent=2)


def _wants_json(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and ctx.obj is not None:
        ctx.obj.as_json = True


def json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_wants_json,
        help="Print one JSON value instead of text.",
    )


class Reporting(click.Command):
    """A command that takes ``--json``."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params.append(json_option())


class Commands(click.Group):
    """A group of them: its own, and behind them those that are named first and imported when one is used."""

    command_class = Reporting
    group_class = type

    def __init__(self, *args: Any, modules: Mapping[str, tuple[str, str]] | None = None, **attributes: Any) -> None:
        """``modules``: where each command is that is imported when it is used, and the first sentence of its help.

        ``MODULE`` has it under its own name, with ``_`` for ``-``, and one behind it where Python wants that word for
        itself; ``MODULE:NAME`` under another.
        """
        super().__init__(*args, **attributes)
        self.modules = dict(modules or {})
        if not any("--json" in param.opts for param in self.params):
            self.params.append(json_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        # In the order in which they were added, which is the order in which they are needed.
        return [*self.commands, *self.modules]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.modules:
            return super().get_command(ctx, cmd_name)
        module, _, named = self.modules[cmd_name][0].partition(":")
        found, name = vars(load(module)), named or cmd_name.replace("-", "_")
        command: click.Command = found[name] if name in found else found[f"{name}_"]
        return command

    def rows(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        """Name and first sentence of each command."""
        own = [(name, command.get_short_help_str(limit=1000)) for name, command in self.commands.items()]
        return [*own, *((name, text) for name, (_, text) in self.modules.items())]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.rows(ctx))


class Program(Commands):
    """The command itself: it says how everything below it ended."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, tell what went wrong, and end the process with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        # Asked of the words, not of what was parsed: they may be what is wrong.
        as_json = "--json" in takewhile(lambda word: word != "--", words)
        try:
            code = super().main(
                words, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )
        except click.UsageError as error:
            if as_json:
                click.echo(json_text({"error": error.format_message()}))
            else:
                error.show()
            sys.exit(USAGE)
        except click.Abort:
            refuse("given up before anything was changed", as_json=as_json)
        except click.ClickException as error:
            refuse(error.format_message(), as_json=as_json)
        except XtramailError as error:
            refuse(error.text, as_json=as_json)
        except UnicodeError:
            refuse("a value is not UTF-8 text; type it anew, or set a UTF-8 locale", as_json=as_json)
        except OSError as error:
            refuse(_text_of(error), as_json=as_json)
        except Exception as error:
            if as_json:
                click.echo(json_text({"error": f"a fault of xtramail itself: {type(error).__name__}: {error}"}))
            raise
        sys.exit(code if isinstance(code, int) else 0)


def _text_of(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename is not None else ""
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, PermissionError):
        reason += "; run this as the owner of the store, or as root, and name places that the owner may use"
    return f"{place}{reason}"


def refuse(text: str, *, as_json: bool) -> NoReturn:
    """Tell why not, and end with exit code 1."""
    if as_json:
        click.echo(json_text({"error": text}))
    else:
        click.echo(f"xtramail: {plain(text)}", err=True)
    sys.exit(REFUSED)
