"""What a file would change: every object that is added, changed or taken away, or all that is wrong with the file.

Owns the comparing of rows with what stands. Nothing is written here, and no password is made; ``apply`` does both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from xtramail.directory.state.entry import LARGEST_ROW, Entry, Read
from xtramail.directory.state.kind import Fault, Kind, Progress, Row, Says, World
from xtramail.model.actor import Role
from xtramail.model.errors import BadInput, Refused

_TOLD = 100
"""Faults that are told one by one."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


class BadState(BadInput):
    """A file that is not done: ``faults`` says why, row by row."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        lines = [str(fault) for fault in faults[:_TOLD]]
        if len(faults) > _TOLD:
            lines.append(f"... and {len(faults) - _TOLD} more; with --verbose all are named")
        super().__init__("\n".join([*lines, "nothing was changed"]))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Step:
    """One object that becomes another. ``before`` None: it is added; ``after`` None: it is removed."""

    kind: Kind[Any]
    key: str
    before: Row | None
    after: Row | None
    place: str = ""
    """Where the file has it."""

    @property
    def verb(self) -> str:
        """``add``, ``change`` or ``remove``."""
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "change"

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields that become others, as the row's class calls them."""
        if self.before is None or self.after is None:
            return ()
        return tuple(
            name for name in self.kind.row.__struct_fields__ if getattr(self.before, name) != getattr(self.after, name)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``steps`` in the order in which they are done."""

    steps: tuple[Step, ...]
    counts: dict[str, dict[str, int]]
    """By kind: ``add``, ``change``, ``remove``, ``unchanged``."""
    world: World = field(repr=False)

    @property
    def empty(self) -> bool:
        return not self.steps


def make_plan(
    world: World, read: Read, kinds: Sequence[Kind[Any]], *, remove_missing: bool = False, progress: Progress = silent
) -> Plan:
    """BadState names every row that cannot be. ``kinds`` in their order; ``remove_missing``: what the file could have
    and has not is taken away, as far as it has the kind at all."""
    faults = list(read.faults)
    found = {kind.name: _by_key(kind, read.entries, faults) for kind in kinds}
    for kind in kinds:
        if found[kind.name] or (remove_missing and kind.name in read.kinds):
            world.desk.require(kind.role, f"changing {kind.name}")
        _refuse_unseen(world, kind, found[kind.name], faults)
    if faults:
        raise BadState(faults)
    steps: list[Step] = []
    missing: list[Step] = []
    counts: dict[str, dict[str, int]] = {}
    for kind in kinds:
        if kind.name not in read.kinds:
            continue
        standing = world.standing(kind.name)
        rows = kind.settled({key: entry.row for key, entry in found[kind.name].items()}, world, progress)
        after = dict(standing)
        count = {"add": 0, "change": 0, "remove": 0, "unchanged": 0}
        for key, entry in found[kind.name].items():
            before = standing.get(key)
            row = _merged(kind, entry, rows[key], before, whole=remove_missing, secrets=read.secrets)
            wrong = len(faults)
            row = kind.regular(row, Says(entry.place, faults))
            if len(msgspec.json.encode(row)) > LARGEST_ROW:
                Says(entry.place, faults).wrong("", f"with what stands it is larger than {LARGEST_ROW >> 10} KiB")
            sound = len(faults) == wrong
            step = Step(kind, key, before, row, entry.place)
            after[key] = row
            if not sound:
                continue
            if before is None or step.changed:
                steps.append(step)
                count[step.verb] += 1
            else:
                count["unchanged"] += 1
        for key in sorted(standing.keys() - found[kind.name].keys()) if remove_missing else ():
            if not kind.stays(standing[key]) and _may_miss(kind, standing[key], read):
                missing.append(Step(kind, key, standing[key], None))
                del after[key]
                count["remove"] += 1
        counts[kind.name] = count
        world.will_be(kind.name, after)
    for step in missing:
        step.kind.check_removal(step.before, world, Says(f"{step.kind.name} {step.key}, not in the file", faults))
    for step in steps:
        step.kind.check(step.after, step.before, world, Says(step.place, faults))
    if faults:
        raise BadState(faults)
    return Plan(steps=(*reversed(missing), *steps), counts=counts, world=world)


def _by_key(kind: Kind[Any], entries: Collection[Entry], faults: list[Fault]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind != kind.name:
            continue
        try:
            key = kind.key(entry.row)
        except (Refused, ValueError) as error:
            text = error.text if isinstance(error, Refused) else str(error)
            faults.append(Fault(entry.place, kind.keys[0].replace("_", "-"), text))
            continue
        if key in found:
            first = found[key].place.rpartition(", ")[2]
            faults.append(Fault(entry.place, kind.keys[0].replace("_", "-"), f"{key} is there already, on {first}"))
            continue
        found[key] = entry
    return found


def _refuse_unseen(world: World, kind: Kind[Any], found: dict[str, Entry], faults: list[Fault]) -> None:
    """What lies in domains that the actor does not see, or in another domain than the file is of."""
    if world.desk.actor.role is Role.OPERATOR and not world.only:
        return
    seen = {row.name for row in world.domains}
    for entry in found.values():
        name = kind.domain(entry.row)
        if world.only and name != world.only:
            faults.append(Fault(entry.place, "", f"the file is of the domain {world.only} alone; take it out"))
        elif name not in seen and world.desk.actor.role is not Role.OPERATOR:
            faults.append(Fault(entry.place, "", f"domain {name} is not served here; see: xtramail domain list"))


def _merged(kind: Kind[Any], entry: Entry, row: Row, before: Row | None, *, whole: bool, secrets: bool) -> Any:
    """What the file says, and where it says nothing, what stands. Texts by name are merged name by name."""
    if before is None:
        return row
    fields: dict[str, Any] = {}
    for name in entry.given - set(kind.keys):
        value = getattr(row, name)
        if name in kind.moments and not value:
            continue
        if isinstance(value, dict) and not (whole and (secrets or name not in kind.secrets)):
            value = {**getattr(before, name), **value}
        fields[name] = value
    return kind.merged(msgspec.structs.replace(before, **fields), before, entry.given)


def _may_miss(kind: Kind[Any], row: Row, read: Read) -> bool:
    return not read.domain or kind.domain(row) == read.domain
