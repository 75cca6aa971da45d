"""One JSON line for each event: the form of xtramail's log, whoever writes into it.

Owns the observer of Twisted's logger and what may stand in a line. What is worth telling is ``maillog.py``'s. Only
values of a few plain types are written: a Secret, or anything else that nobody thought of, shows its type's name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from xtramail.model.address import Address
from xtramail.model.peer import Peer

MAX_TEXT = 2000
"""Characters of one value: a peer must not fill the disk with one line."""

_encode = msgspec.json.Encoder().encode
"""Ten times as fast as Python's own, twice in each session."""

_AS_IT_IS = frozenset({int, float, bool, type(None)})
_NUMBERS = (bool, int, float)
_SHOWN = (Address, Path)
_LISTS = (tuple, list, set, frozenset)
_LEVELS = {LogLevel.debug: "debug", LogLevel.info: "info", LogLevel.warn: "warning", LogLevel.error: "error"}


def plain(value: object) -> object:
    """A value as it may stand in the log: numbers, cut text, lists of those; the type's name for everything else."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "..."
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, _SHOWN):
        return plain(str(value))
    if isinstance(value, Peer):
        return value.address
    if isinstance(value, _LISTS):
        return [plain(one) for one in list(value)[:100]]
    return f"<{type(value).__name__}>"


def line_of(event: LogEvent) -> bytes | None:
    """The line of one event with its newline; None when it is not worth one."""
    level = event.get("log_level", LogLevel.info)
    mail_event = event.get("mail_event")
    if mail_event is None and level in (LogLevel.debug, LogLevel.info):
        # Twisted tells of each factory and port; our own events say what matters of them.
        if str(event.get("log_namespace", "")).startswith(("twisted", "log_legacy", "-")):
            return None
    second, micros = divmod(round(event.get("log_time", 0.0) * 1_000_000), 1_000_000)
    line: dict[str, object] = {
        "time": f"{_second(second)}.{micros // 1000:03d}Z",
        "level": _LEVELS.get(level, "critical"),
        "event": mail_event or "log",
    }
    fields: Mapping[str, object] = event.get("mail_fields") or {}
    for name, value in fields.items():
        if name not in line:
            line[name] = value if type(value) is str and len(value) <= MAX_TEXT else plain(value)
    if mail_event is None:
        line["text"] = plain(formatEvent(event))
        line["from"] = plain(event.get("log_namespace", ""))
    failure = event.get("log_failure")
    if failure is not None:
        line["error"] = plain(failure.getErrorMessage())
        line["kind"] = getattr(failure.type, "__name__", str(failure.type))
        # Names of files, lines and functions only: values of variables could be anybody's mail.
        line["traceback"] = failure.getTraceback(elideFrameworkCode=True, detail="brief")[-8000:]
    try:
        return _encode(line) + b"\n"
    except ValueError:
        # Half a surrogate pair has no UTF-8 form.
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@implementer(ILogObserver)
class JsonLog:
    """Writes events to a file, opened again by :meth:`reopen` (SIGHUP, after logrotate moved it), or to a descriptor.

    ``owner`` (uid, gid; -1 leaves one as it is) gets a new file, so that it can be opened again after root is gone.
    """

    def __init__(self, target: Path | int, *, owner: tuple[int, int] = (-1, -1)) -> None:
        """OSError when the file cannot be opened."""
        self._target = target
        self._owner = owner
        self._descriptor = self._open()

    def _open(self) -> int:
        if isinstance(self._target, int):
            return self._target
        # Whose mail it is stands in here, so the group may read it and the world may not.
        descriptor = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        if self._owner != (-1, -1) and os.geteuid() == 0:
            os.fchown(descriptor, *self._owner)
        return descriptor

    def reopen(self) -> None:
        """Go on in a fresh file. OSError when there cannot be one: then the old one stays in use."""
        if isinstance(self._target, int):
            return
        fresh = self._open()
        old, self._descriptor = self._descriptor, fresh
        os.close(old)

    def close(self) -> None:
        if not isinstance(self._target, int):
            os.close(self._descriptor)

    def __call__(self, event: LogEvent) -> None:
        line = line_of(event)
        if line is not None:
            # A full disk must not stop mail; one write call keeps lines of several processes whole.
            with suppress(OSError):
                os.write(self._descriptor, line)


def collecting(lines: list[dict[str, Any]]) -> Callable[[LogEvent], None]:
    """An observer that keeps lines in memory, for tests."""

    def observe(event: LogEvent) -> None:
        line = line_of(event)
        if line is not None:
            lines.append(json.loads(line))

    return observe
