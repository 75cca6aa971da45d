"""One kind of object as a CSV file (RFC 4180), as spreadsheets write it: with commas, semicolons or tabs, with or
without a byte order mark.

The header names the fields. Lists are separated by spaces (or written as JSON), of texts by name each has a column
``settings.NAME``. An empty cell says nothing: what there is stays. Cells that a spreadsheet would work out (they begin
with ``=``, ``+``, ``-``, ``@``) are refused, unless a ``'`` stands before them; that is how they are exported.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xtramail.directory.state.document import exported
from xtramail.directory.state.entry import (
    LONGEST_TEXT,
    MOST_FAULTS,
    MOST_ROWS,
    Entry,
    Read,
    decoded,
    entry_of,
    shown,
)
from xtramail.directory.state.kind import Fault, Kind, World, fields_of
from xtramail.model.errors import BadInput

_FORMULA = re.compile("'* *[=+\\-@\t\r＝＋－＠]")
_LONGEST_ROW = 1 << 20
"""Characters."""
_YES = frozenset({"yes", "true", "on", "1"})
_NO = frozenset({"no", "false", "off", "0"})
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_NUMBER = re.compile(r"([0-9]{1,18}) ?([A-Za-z]{0,3})", re.ASCII)


def columns_of(kind: Kind[Any], *, secrets: bool = True) -> list[str]:
    """The header, ``settings.NAME`` for what has a column for each name."""
    return [
        f"{one.encode_name}.NAME" if _is_map(one.type) else one.encode_name
        for one in fields_of(kind.row)
        if secrets or one.name not in kind.secrets
    ]


def csv_lines(world: World, kind: Kind[Any], *, secrets: bool) -> Iterator[str]:
    """The file in pieces, of one line and more."""
    left_out = kind.input_only if secrets else kind.input_only | kind.secrets
    rows = [row for _, row in sorted(world.standing(kind.name).items())]
    header: list[tuple[str, str]] = []
    for one in fields_of(kind.row):
        if one.name in left_out:
            continue
        if _is_map(one.type):
            names = sorted({name for row in rows for name in getattr(row, one.name)})
            header.extend((one.encode_name, name) for name in names)
        else:
            header.append((one.encode_name, ""))
    yield _line([f"{field}.{name}" if name else field for field, name in header])
    for row in rows:
        value = exported(kind, row)
        yield _line([_cell(value[field].get(name, "") if name else value[field]) for field, name in header])


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        plain = all(one and " " not in one for one in value) and not (value and value[0].startswith("["))
        return " ".join(value) if plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def read_csv(octets: bytes, kind: Kind[Any]) -> Read:
    """The rows of a file, and all that is wrong with them. BadInput where it has no header that could be one."""
    text = decoded(octets)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=_delimiter(text), strict=True)
    entries: list[Entry] = []
    faults: list[Fault] = []
    line = 1
    try:
        header = _header(next(reader, []), kind)
        line = reader.line_num + 1
        lines.row_over()
        for cells in reader:
            lines.row_over()
            place = f"{kind.name}, line {line}"
            entry = _entry(kind, place, header, cells, faults)
            if entry is not None:
                entries.append(entry)
            if len(faults) > MOST_FAULTS or len(entries) > MOST_ROWS:
                much = "more than can be told" if faults else f"more than {MOST_ROWS:,} rows; split the file"
                faults.append(Fault(place, "", much))
                break
            line = reader.line_num + 1
    except csv.Error as error:
        reason = str(error)
        if "field larger" in reason:
            reason = f"a cell longer than {LONGEST_TEXT >> 10} KiB; is a quote mark missing?"
        elif "new-line character" in reason:
            reason = "a carriage return within a line; save the file with ordinary line ends"
        faults.append(Fault(f"{kind.name}, line {line}", "", f"not CSV: {reason}"))
    return Read(entries=entries, faults=faults, kinds=frozenset({kind.name}), secrets=True)


class _Lines:
    """The lines of a text, each with its end, one by one: a file may be large. ``row_over``: the next begins a row."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._row = 0

    def row_over(self) -> None:
        self._row = self._at

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        start = self._at
        if start >= len(self._text):
            raise StopIteration
        self._at = self._text.find("\n", start) + 1 or len(self._text)
        if self._at - self._row > _LONGEST_ROW:
            raise csv.Error(f"a row longer than {_LONGEST_ROW >> 20} MiB")
        return self._text[start : self._at]


def _delimiter(text: str) -> str:
    """What parts the names of the header."""
    header = text[: text.find("\n")] if "\n" in text else text
    return max(",;\t", key=header[:LONGEST_TEXT].count)


def _header(cells: Sequence[str], kind: Kind[Any]) -> list[tuple[str, str, Any]]:
    """Of each column its field, the name within it (empty: none), and its type; BadInput."""
    fields = {one.encode_name: one.type for one in fields_of(kind.row)}
    known = ", ".join(columns_of(kind))
    header: list[tuple[str, str, Any]] = []
    for cell in cells:
        name, _, within = cell.strip().partition(".")
        if name not in fields or _is_map(fields[name]) is not bool(within):
            raise BadInput(f"line 1: there is no column {shown(cell)!r}; columns of {kind.name} are {known}")
        header.append((name, within, fields[name]))
    names = [(name, within) for name, within, _ in header]
    for name, within in names:
        if names.count((name, within)) > 1:
            raise BadInput(f"line 1: the column {f'{name}.{within}' if within else name} is there twice")
    needed = [name for name in kind.keys if name not in kind.optional_keys]
    missing = [name for name in needed if (name.replace("_", "-"), "") not in names]
    if missing:
        raise BadInput(f"line 1: the column {missing[0]} is missing; the first line names the columns: {known}")
    return header


def _entry(
    kind: Kind[Any], place: str, header: Sequence[tuple[str, str, Any]], cells: Sequence[str], faults: list[Fault]
) -> Entry | None:
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) != len(header):
        faults.append(Fault(place, "", f"it has {len(cells)} cells, and the header {len(header)}"))
        return None
    before = len(faults)
    fields: dict[str, Any] = {}
    for (name, within, kind_of), cell in zip(header, cells, strict=True):
        column = f"{name}.{within}" if within else name
        text = cell if name == "password" else cell.strip()
        if _FORMULA.match(text):
            if not text.startswith("'"):
                faults.append(
                    Fault(place, column, "a spreadsheet takes this for a formula; write ' before it where it is meant")
                )
                continue
            text = text[1:]
        if not text:
            continue
        try:
            value = _value(text, kind_of)
        except ValueError as error:
            faults.append(Fault(place, column, str(error)))
            continue
        if within:
            fields.setdefault(name, {})[within] = value
        else:
            fields[name] = value
    return entry_of(kind, place, fields, faults) if len(faults) == before else None


def _value(text: str, kind_of: Any) -> Any:
    """ValueError with the rule."""
    if kind_of is bool:
        if text.lower() not in _YES | _NO:
            raise ValueError(f"{shown(text)!r}: write yes or no")
        return text.lower() in _YES
    if kind_of is int:
        found = _NUMBER.fullmatch(text)
        unit = _UNITS.get(found[2].upper()) if found is not None else None
        if found is None or unit is None:
            raise ValueError(f"{shown(text)!r}: write a whole number, or a size such as 5GiB")
        return int(found[1]) * unit
    if kind_of is str or _is_map(kind_of):
        return text
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError('a list in brackets is written as JSON, such as ["one", "two"]') from None
    return text.split()


def _is_map(kind_of: Any) -> bool:
    return isinstance(kind_of, type(dict[str, str])) and getattr(kind_of, "__origin__", None) is dict


def kinds_by_name(kinds: Sequence[Kind[Any]]) -> Mapping[str, Kind[Any]]:
    return {kind.name: kind for kind in kinds}
