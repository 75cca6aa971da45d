"""Many messages held, then given back in one go: how long it takes and how much memory, for a test and a benchmark."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

USERS = 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in octets. ``own`` is what it has for itself; ``all`` has the pages of the store that it looked at
    as well, which the kernel takes back when it wants them."""

    own: int
    all: int


@dataclass(frozen=True, slots=True)
class Drained:
    messages: int
    seconds: float
    before: Memory
    peak: Memory
    processor: float
    """Seconds of it."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def growth(self) -> int:
        return self.peak.own - self.before.own


def memory(pid: int) -> Memory:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    sizes = {words[0]: int(words[1]) * 1024 for words in lines if words[0] in ("VmRSS:", "RssAnon:")}
    return Memory(own=sizes["RssAnon:"], all=sizes["VmRSS:"])


def processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def held(server: Installation, domain: str, count: int, size: int, *, connections: int = 8) -> None:
    """Take ``count`` messages of about ``size`` octets for twenty users of a held ``domain``."""
    server.command("domain", "hold", domain)
    failed: list[BaseException] = []

    def send(first: int) -> None:
        try:
            with server.smtp() as client:
                for number in range(first, count, connections):
                    to = f"user{number % USERS}@{domain}"
                    # Text that does not shrink to nothing, of many lengths.
                    client.sendmail("bob@sender.example", [to], mail(number, to=to, size=size // 2 + number % size))
        except (OSError, smtplib.SMTPException) as error:
            failed.append(error)

    senders = [threading.Thread(target=send, args=(first,)) for first in range(connections)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not failed, failed


def drained(
    server: Installation,
    primary: ScriptedPrimary,
    domain: str,
    count: int,
    *,
    within: float = 120.0,
    progress: Callable[[int], None] = lambda count: None,
) -> Drained:
    """Release the domain, and wait until the primary has ``count`` messages."""
    before, began_at = memory(server.pid), processor(server.pid)
    own, everything = before.own, before.all
    server.command("domain", "release", domain)
    began = time.monotonic()

    def look() -> bool:
        nonlocal own, everything
        now = memory(server.pid)
        own, everything = max(own, now.own), max(everything, now.all)
        have = primary.taken
        progress(have)
        return have >= count

    eventually(look, within=within, what="all is given back")
    seconds = time.monotonic() - began
    return Drained(
        messages=count,
        seconds=seconds,
        before=before,
        peak=Memory(own=own, all=everything),
        processor=processor(server.pid) - began_at,
    )
