"""The directory as one JSON document: an object a line, sorted, so that two of them can be compared as texts.

::

    {"format": 1,
    "secrets": false,
    "domains": [
    {"name": "office.example", "primary": ["mail.office.example:25"], ...}
    ],
    "users": [
    ...
    ],
    "left-out": {"devices": 12, "users.password-hash": 45}}

Read by hand at the outermost level, so that whatever is wrong with an object is told with the line it begins on. Owns
no rule of any kind of object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from xtramail.directory.state.entry import (
    MOST_FAULTS,
    MOST_ROWS,
    Entry,
    Read,
    decoded,
    entry_of,
    shown,
)
from xtramail.directory.state.kind import Fault, Kind, World
from xtramail.model.address import domain_key
from xtramail.model.errors import BadInput

FORMAT = 1
_PIECES = (16 << 10, 4 << 20)
"""Characters in which an object is looked for: nearly all fit into the first, and none may be larger than the last."""
_NEAR = 64 << 10
_SPACE = re.compile(r"[ \t\r\n]*")
_HEAD: dict[str, type] = {"format": int, "secrets": bool, "domain": str, "left-out": dict}


def document(world: World, kinds: Sequence[Kind[Any]], *, domain: str = "", secrets: bool) -> Iterator[str]:
    """Line by line, each with its end. ``domain``: what ``world`` is of, where that is one alone."""
    left_out: dict[str, int] = {}
    yield f'{{"format": {FORMAT},\n"secrets": {json.dumps(secrets)},\n'
    if domain:
        yield f'"domain": {json.dumps(domain)},\n'
    for kind in kinds:
        rows = sorted(world.standing(kind.name).items())
        if kind.is_secret and not secrets:
            if rows:
                left_out[kind.name] = len(rows)
            continue
        yield f'"{kind.name}": ['
        separator = "\n"
        for _, row in rows:
            value = exported(kind, row)
            if not secrets:
                for name in sorted(kind.secrets):
                    if value.pop(name.replace("_", "-")):
                        place = f"{kind.name}.{name.replace('_', '-')}"
                        left_out[place] = left_out.get(place, 0) + 1
            yield f"{separator}{json.dumps(value, ensure_ascii=False)}"
            separator = ",\n"
        yield "\n],\n"
    yield f'"left-out": {json.dumps(left_out, sort_keys=True)}}}\n'


def exported(kind: Kind[Any], row: Any) -> dict[str, Any]:
    """The fields of a row in their order, but those that are never written; texts by name are sorted."""
    value: dict[str, Any] = msgspec.to_builtins(row)
    for name in kind.input_only:
        del value[name.replace("_", "-")]
    for name, one in value.items():
        if isinstance(one, dict):
            value[name] = dict(sorted(one.items()))
    return value


def read_document(octets: bytes, kinds: Mapping[str, Kind[Any]]) -> Read:
    """The rows of a document, and all that is wrong with them. BadInput where it is no document at all."""
    reader = _Reader(decoded(octets), kinds)
    try:
        reader.document()
    except _Unreadable as error:
        reader.faults.append(Fault(f"line {error.line}", "", error.text))
    head = reader.head
    if not reader.faults and head.get("format") != FORMAT:
        raise BadInput(
            f"format {head.get('format', 'missing')}: this program reads format {FORMAT}; "
            f'write "format": {FORMAT} at its beginning, or use the xtramail that wrote it'
        )
    name = head.get("domain", "")
    return Read(
        entries=reader.entries,
        faults=reader.faults,
        kinds=frozenset(reader.found),
        domain=domain_key(name) if name and not reader.faults else "",
        secrets=head.get("secrets", False),
    )


class _Unreadable(Exception):
    """From here on nothing can be made of the text."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class _Twice(Exception):
    """A name that an object has twice."""


class _Number(Exception):
    """NaN or Infinity, which JSON has not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return value


def _constant(text: str) -> Any:
    raise _Number(text)


class _Reader:
    """Goes through the outermost object."""

    def __init__(self, text: str, kinds: Mapping[str, Kind[Any]]) -> None:
        self._text = text
        self._kinds = kinds
        self._at = 0
        self._line, self._counted = 1, 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
        self.head: dict[str, Any] = {}
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self.found: set[str] = set()

    def document(self) -> None:
        self._expect("{", 'this is no document of xtramail; it begins with {"format": 1,')
        if not self._is("}"):
            while True:
                self._member()
                if self._is("}"):
                    break
                self._expect(",", "a comma or the closing brace is missing here")
        if self._next():
            raise _Unreadable(self._here(), "there is more behind the end of the document; take it out")

    def _member(self) -> None:
        line = self._here()
        name = self._value()
        if not isinstance(name, str):
            raise _Unreadable(line, "a name in quotes is missing here")
        self._expect(":", f"a colon is missing behind {shown(name)!r}")
        if name in self.found or name in self.head:
            raise _Unreadable(line, f"{shown(name)!r} is there twice; put its rows together")
        if name in self._kinds:
            self.found.add(name)
            self._rows(self._kinds[name])
        elif name in _HEAD:
            value = self._value()
            if type(value) is not _HEAD[name]:
                raise _Unreadable(line, f"{name}: not what a document has there; see what export writes")
            self.head[name] = value
        else:
            raise _Unreadable(line, f"there is no kind {shown(name)!r}; kinds are {', '.join(self._kinds)}")

    def _rows(self, kind: Kind[Any]) -> None:
        self._expect("[", f"{kind.name} are a list; begin it with [")
        if self._is("]"):
            return
        while True:
            line = self._here()
            value = self._value()
            place = f"{kind.name}, line {line}"
            if isinstance(value, dict):
                entry = entry_of(kind, place, value, self.faults)
                if entry is not None:
                    self.entries.append(entry)
            else:
                self.faults.append(Fault(place, "", "expected an object with fields, such as {...}"))
            if len(self.faults) > MOST_FAULTS or len(self.entries) > MOST_ROWS:
                much = "more than can be told" if self.faults else f"more than {MOST_ROWS:,} rows; split the document"
                raise _Unreadable(line, much)
            if self._is("]"):
                return
            self._expect(",", "a comma or the closing bracket is missing here; or the file was cut off")

    def _value(self) -> Any:
        self._next()
        for size in _PIECES:
            piece = self._text[self._at : self._at + size]
            whole = self._at + size >= len(self._text)
            try:
                value, length = self._decoder.raw_decode(piece)
            except json.JSONDecodeError as error:
                if not whole and size < _PIECES[-1]:
                    continue
                reason = f"not JSON: {error.msg}; or the file was cut off"
                if not whole and error.pos >= size - _NEAR:
                    reason = f"one object is larger than {_PIECES[-1] >> 20} MiB"
                raise _Unreadable(self._here() + error.lineno - 1, reason) from None
            except _Twice as error:
                reason = f"the field {shown(str(error))!r} is there twice in one object"
                raise _Unreadable(self._here(), reason) from None
            except _Number as error:
                raise _Unreadable(self._here(), f"{error} is no number of JSON") from None
            except RecursionError:
                raise _Unreadable(self._here(), "lists or objects lie too deep in one another") from None
            except ValueError:
                raise _Unreadable(self._here(), "a number has too many digits") from None
            self._at += length
            return value
        raise AssertionError

    def _next(self) -> str:
        """The next character that is no space, empty at the end."""
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found is not None else self._at
        return self._text[self._at : self._at + 1]

    def _is(self, character: str) -> bool:
        if self._next() != character:
            return False
        self._at += 1
        return True

    def _expect(self, character: str, otherwise: str) -> None:
        if not self._is(character):
            raise _Unreadable(self._here(), otherwise)

    def _here(self) -> int:
        """The line of the next character."""
        self._next()
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line
