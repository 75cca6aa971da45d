"""What ``apply`` and ``import`` have in common: a plan is shown, agreed to, and done."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from xtramail.app.command.context import Context, count_of, sure
from xtramail.app.command.new_file import NewFile, csv_text
from xtramail.app.own_doors import refuse_own_doors
from xtramail.directory.state.apply import apply_plan, told
from xtramail.directory.state.catalogue import KINDS
from xtramail.directory.state.entry import LARGEST, Read, read_bounded
from xtramail.directory.state.kinds.users import UserState
from xtramail.directory.state.new_passwords import to_generate, with_passwords
from xtramail.directory.state.plan import BadState, Plan, Step, make_plan
from xtramail.directory.state.worlds import plan_world
from xtramail.model.errors import BadInput, XtramailError

_VERBS = {"add": "to add", "change": "to change", "remove": "to remove", "unchanged": "unchanged"}


def octets_of(file: str) -> bytes:
    """A file's, or those of standard input where it is ``-``; read before we are the store's owner."""
    if file != "-":
        return read_bounded(Path(file))
    octets = sys.stdin.buffer.read(LARGEST + 1)
    if len(octets) > LARGEST:
        raise BadInput(f"standard input: larger than {LARGEST >> 20} MiB; split it")
    return octets


def carry_out(
    context: Context,
    read: Read,
    *,
    dry_run: bool,
    remove_missing: bool = False,
    verbose: bool,
    passwords: str | None,
    yes: bool,
) -> None:
    """Plan, show, ask, do. Nothing is done where a row is wrong."""
    with ExitStack() as stack:
        sheet = stack.enter_context(NewFile("passwords", passwords)) if passwords is not None and not dry_run else None
        _carry_out(
            context, read, dry_run=dry_run, remove_missing=remove_missing, verbose=verbose, sheet=sheet, yes=yes
        )


def _carry_out(
    context: Context,
    read: Read,
    *,
    dry_run: bool,
    remove_missing: bool,
    verbose: bool,
    sheet: NewFile | None,
    yes: bool,
) -> None:
    world = plan_world(
        context.desk,
        context.keyring,
        only=read.domain,
        retention_days=context.settings.retention.days,
        refuse_hops=partial(refuse_own_doors, context.settings),
    )
    try:
        plan = make_plan(world, read, KINDS, remove_missing=remove_missing, progress=show_progress)
    except BadState as error:
        if not verbose:
            raise
        raise BadInput("\n".join([*map(str, error.faults), "nothing was changed"])) from None
    value: dict[str, object] = {"plan": plan.counts, "applied": False}
    if verbose:
        value["steps"] = [_step(step) for step in plan.steps]
    if plan.empty:
        context.done(value, _text(plan, verbose=verbose) + "nothing to do.")
        return
    if dry_run:
        context.done(value, _text(plan, verbose=verbose) + "nothing was done: --dry-run.")
        return
    made = to_generate(plan)
    if made and sheet is None:
        raise BadInput(
            f"{count_of(made, 'password')} would be generated: name a new file for them with --passwords FILE"
        )
    if sys.stdin.isatty() and not yes and not context.as_json:
        click.echo(_text(plan, verbose=verbose), nl=False, err=True)
        sure("Do this?", yes=yes)
    plan, generated = with_passwords(plan, context.settings.login.bcrypt_cost, show_progress)
    if generated and sheet is not None:
        # On the disk before any of them is in force: what nobody knows would shut everybody out.
        sheet.write(csv_text([("address", "password"), *generated]))
    try:
        context.run(apply_plan(plan, progress=show_progress))
    except XtramailError:
        if sheet is not None:
            sheet.discard()
        raise
    value["applied"] = True
    text = _text(plan, verbose=verbose) + "all of it is done."
    if generated and sheet is not None:
        value |= {"passwords": sheet.place, "generated": len(generated)}
        text += f"\nGenerated passwords are in {sheet.place}: hand them out, then delete it."
    without = sum(map(_has_no_password, plan.steps))
    if without:
        value["without-password"] = without
        text += f"\n{count_of(without, 'new user')} cannot log in yet: xtramail user passwd --users FILE --generate"
    context.done(value, text)


def _has_no_password(step: Step) -> bool:
    row = step.after
    return step.before is None and isinstance(row, UserState) and row.type == "user" and not row.password_hash


def _text(plan: Plan, *, verbose: bool) -> str:
    """The plan for people, each line with its end."""
    lines = []
    for kind, counts in plan.counts.items():
        said = ", ".join(f"{count} {_VERBS[verb]}" for verb, count in counts.items() if count)
        lines.append(f"{kind}: {said or 'none'}\n")
    if verbose:
        lines.extend(f"  {step.verb} {step.kind.name} {step.key}{_details(step)}\n" for step in plan.steps)
    return "".join(lines)


def _details(step: Step) -> str:
    if step.before is None or step.after is None:
        return ""
    value = _step(step)["changes"]
    assert isinstance(value, dict)
    return ": " + ", ".join(f"{name} {old!r} -> {new!r}" for name, (old, new) in value.items())


def _step(step: Step) -> dict[str, object]:
    """One object for JSON; no secret."""
    before, after = told(step.kind, step.before), told(step.kind, step.after, step.before)
    said: dict[str, object] = {"do": step.verb, "kind": step.kind.name, "object": step.key}
    if before is not None and after is not None:
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        said["changes"] = {name: [before.get(name), after.get(name)] for name in names}
    return said


def show_progress(what: str, done: int, total: int) -> None:
    """For people who wait."""
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} {what}", nl=done == total, err=True)
