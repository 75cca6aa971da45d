"""Rows as they come out of a file, with the line they began on, and the limits of what is read at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from xtramail.directory.state.kind import Fault, Kind, Row, fields_of
from xtramail.model.errors import BadInput

LARGEST = 256 << 20
"""Octets of a file."""
LONGEST_TEXT = 16 << 10
"""Octets of one text."""
LARGEST_ROW = 40 << 10
"""Octets of one row: what is made of it must fit into a value of the store."""
MOST_ROWS = 250_000
MOST_FAULTS = 1_000
"""What is read no further than to."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PATH = re.compile(r"(.*?)(?: - at `(?:key in )?\$\.?([^`]*)`)?", re.DOTALL)
_WORDS = {"str": "text", "int": "a whole number", "bool": "true or false", "array": "a list", "object": "an object"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a file. ``given``: the fields that the file has of it, as the row's class calls them."""

    kind: str
    place: str
    row: Row
    given: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a file says. ``kinds``: those that it has, even with no row in it; ``domain``: it is of this one alone."""

    entries: list[Entry]
    faults: list[Fault]
    kinds: frozenset[str]
    domain: str = ""
    secrets: bool = False
    """It was exported with secrets."""


def read_bounded(place: Path) -> bytes:
    """A whole file; BadInput for one that is larger than LARGEST."""
    with place.open("rb") as file:
        octets = file.read(LARGEST + 1)
    if len(octets) > LARGEST:
        raise BadInput(f"{place}: larger than {LARGEST >> 20} MiB; split it")
    return octets


def decoded(octets: bytes) -> str:
    """UTF-8 text, without a byte order mark; BadInput names the line that is none."""
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput("line 1: this is UTF-16; save the file as UTF-8")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise BadInput(f"line {line}: not UTF-8 text; save the file as UTF-8") from None


def entry_of(kind: Kind[Any], place: str, fields: dict[str, Any], faults: list[Fault]) -> Entry | None:
    """A row of the kind out of plain values by their names in the file; None where it is wrong, which is said."""
    known = {one.encode_name: one.name for one in fields_of(kind.row)}
    before = len(faults)
    for name in fields:
        if name not in known:
            faults.append(Fault(place, shown(name), f"there is no such field; {kind.name} have {', '.join(known)}"))
    needed = [name for name in kind.keys if name not in kind.optional_keys]
    missing = [name for name in needed if fields.get(name.replace("_", "-"), "") == ""]
    faults.extend(Fault(place, name.replace("_", "-"), "it is missing; each row needs one") for name in missing)
    if len(faults) > before:
        return None
    try:
        row = msgspec.convert(fields, kind.row)
    except msgspec.ValidationError as error:
        text, path = _said(str(error))
        faults.append(Fault(place, shown(path), text))
        return None
    # Only now: values of the right types are as deep as they may be.
    faults.extend(Fault(place, name, reason) for name, value in fields.items() if (reason := _unfit(value)))
    if len(faults) == before and len(msgspec.json.encode(fields)) > LARGEST_ROW:
        faults.append(Fault(place, "", f"the row is larger than {LARGEST_ROW >> 10} KiB; make it smaller"))
    if len(faults) > before:
        return None
    return Entry(kind=kind.name, place=place, row=row, given=frozenset(known[name] for name in fields))


def shown(text: str) -> str:
    """A name out of a file, short enough for a line, and without anything that a terminal would obey."""
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return short if short.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


def _unfit(value: Any) -> str:
    """Why a value, or one within it, cannot be kept whatever field it is of."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or len(value.encode("utf-8", "surrogatepass")) > LONGEST_TEXT:
            return f"longer than {LONGEST_TEXT >> 10} KiB"
        return "control characters, or half a character; write one line of text" if _CONTROL.search(value) else ""
    if isinstance(value, list):
        return next(filter(None, map(_unfit, value)), "")
    if isinstance(value, dict):
        return next(filter(None, map(_unfit, (*value, *value.values()))), "")
    return ""


def _said(text: str) -> tuple[str, str]:
    """What msgspec says, and the field that it is about."""
    found = _PATH.fullmatch(text)
    said, path = (found[1], found[2] or "") if found is not None else (text, "")
    for word, plain in _WORDS.items():
        said = said.replace(f"`{word}`", plain)
    return said[:1].lower() + said[1:], path
