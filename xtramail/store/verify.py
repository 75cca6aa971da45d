"""``verify``: looks at the whole store and says what is damaged, without changing anything.

Owns the process that reads (``verify_walk``), its end, however it comes, and the report. It may run beside a server.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xtramail.model.bucket import PERMANENT, Bucket
from xtramail.store.verify_checks import Finding as Finding
from xtramail.store.verify_walk import buckets_on_pages, scope_text

MAX_FINDINGS = 10_000
"""So many are kept; who has more has lost the store."""
SILENCE = 60.0
"""Seconds without a word from the reader."""
MEMORY = 4 << 30
"""Octets that a reader may take: far above what a walk over millions of messages needs."""
MAX_DEATHS = 64
"""So many times a reader that died is replaced: by one that goes there row by row, then by one that starts behind the
bucket where that died."""

_LAST = Bucket(0xFFFF_FFFF)


@dataclass(slots=True)
class Report:
    """What ``verify`` saw."""

    rows: int = 0
    octets: int = 0
    messages: int = 0
    buckets: int = 0
    oldest_day: str = ""
    """``YYYY-MM-DD`` of the oldest bucket with readable rows; empty: there is no mail."""
    newest_day: str = ""
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.findings


def verify(folder: Path, progress: Callable[[Report], None] = lambda report: None) -> Report:
    """Walk the store in ``folder``; ``progress`` is called now and then with what was seen so far."""
    report = Report()
    start, died, passed = PERMANENT, b"", b""
    first: list[Finding] = []
    for _ in range(MAX_DEATHS):
        at = user = b""
        walked = ended = False
        with _reader(folder, start, died, passed) as reader, _Patience(reader) as patience:
            for message in _messages(reader):
                patience.begin()
                if "at" in message:
                    at = bytes.fromhex(message["at"])
                user = bytes.fromhex(message.get("user", user.hex()))
                walked = walked or "walked" in message
                ended = ended or "end" in message
                _count(report, message)
                progress(report)
            errors = reader.stderr.read() if reader.stderr is not None else ""
            code = reader.wait()
        if ended and code == 0:
            # Who died before it did so at no row: of what, nobody knows.
            report.findings.extend(first)
            break
        why = _death(code, errors)
        if user:
            report.findings += [*first, Finding("page", f"{scope_text(user)}: {why}")]
            start, died, passed, first = _LAST, b"", user, []
            continue
        bucket = Bucket(int.from_bytes(at[:4], "big")) if at else start
        death = Finding("page", f"bucket {bucket}, after row {at.hex()}: {why}")
        if at and not walked and not died:
            # The next reader takes row by row, and dies behind the last good one.
            start, died, first = bucket, at, [death]
            continue
        # Two readers see the permanent rows: a finding of both is one.
        report.findings.append(death)
        if walked or not at:
            break
        start, died, first = _behind(folder, bucket), b"", []
    report.findings = list(dict.fromkeys(report.findings))
    return report


def _behind(folder: Path, bucket: Bucket) -> Bucket:
    """The next bucket that has rows; where there is none, the reader has only to look at the rest."""
    return next((one for one in buckets_on_pages(folder) if one > bucket), _LAST)


class _Patience:
    """Kills a reader of which nothing was heard for SILENCE: damaged pages can lead in a circle."""

    def __init__(self, reader: subprocess.Popen[str]) -> None:
        self._reader = reader
        self._timer = threading.Timer(0, reader.kill)

    def begin(self) -> None:
        self._timer.cancel()
        self._timer = threading.Timer(SILENCE, self._reader.kill)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> _Patience:
        self.begin()
        return self

    def __exit__(self, *_ended: object) -> None:
        self._timer.cancel()


def _reader(folder: Path, start: Bucket, died: bytes, passed: bytes) -> subprocess.Popen[str]:
    arguments = [str(folder), str(MEMORY), str(start), died.hex(), passed.hex()]
    return subprocess.Popen(
        [sys.executable, "-m", "xtramail.store.verify_walk", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _messages(reader: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    if reader.stdout is None:
        return
    for line in reader.stdout:
        # A reader that is killed may leave half a line.
        if line.endswith("\n"):
            yield json.loads(line)


def _count(report: Report, message: dict[str, Any]) -> None:
    if "rows" in message:
        report.rows += message["rows"]
        report.octets += message["octets"]
    elif "bucket" in message:
        report.buckets += 1
        report.messages += message["messages"]
        day = datetime.fromtimestamp(message["day"], UTC).strftime("%Y-%m-%d")
        report.oldest_day = min(report.oldest_day or day, day)
        report.newest_day = max(report.newest_day, day)
    elif "finding" in message and len(report.findings) < MAX_FINDINGS:
        report.findings.append(Finding(message["finding"], message["text"]))


def _death(code: int, errors: str) -> str:
    last = errors.strip().splitlines()[-1:] or [""]
    if code < 0:
        return f"a damaged page killed the reader ({signal.Signals(-code).name})"
    return f"the reader gave up: {last[0]}"
