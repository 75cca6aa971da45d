"""The power goes at every moment of a real server's writing: what it said yes to is on the disk.

One life of a server is recorded: what it wrote to its store, when the disk had flushed it, and what it told whom. Then,
for each moment, the store is built as a disk may have kept it, and looked at.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.image_audit import END
from tests.crash.load import prepared
from tests.crash.recorded_disk import Disk, Moment, Recording, ended, recorder
from tests.journeys.conftest import ANN
from tests.journeys.harness import Installation, eventually, mail
from tests.journeys.scripted_primary import ScriptedPrimary

MESSAGES = 12
SEED = 20261121
SCATTERED = 2
"""Images by chance for each moment at which something is under way."""
AUDIT = Path(__file__).with_name("image_audit.py")
_TAKEN = re.compile(rb"^250 2\.0\.0 Ok: queued as ([0-9a-v]{13})\r\n")
_RECEIVED_AS = re.compile(rb"id ([0-9a-v]{13})")


class Recorded(Installation):
    """A server whose disk is watched."""

    def server_command(self) -> list[str]:
        return [*recorder(self.folder / "recording"), *super().server_command()]


@dataclass
class Life:
    before: bytes
    moments: list[Moment]
    sent: list[str] = field(default_factory=list)
    """Message-IDs in the order in which they were handed over."""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Some mail arrives, is read, flagged, moved and handed on."""
    server = Recorded(tmp_path_factory.mktemp("power") / "server").init()
    file = server.folder / "store" / "data.mdb"
    with ScriptedPrimary() as primary, contextlib.closing(server):
        prepared(server, primary)
        life = Life(before=file.read_bytes(), moments=[])
        server.start()
        with server.smtp() as client:
            for number in range(MESSAGES):
                client.sendmail("bob@sender.example", [ANN], text_of(number))
                life.sent.append(f"<{number}@sender.example>")
        with server.imap(ANN) as reader:
            reader.select("INBOX")
            reader.store("1:5", "+FLAGS", "\\Seen")
            assert reader.uid("MOVE", "2:3", "Archive")[0] == "OK"
        server.waits_for_nothing()
        assert primary.taken == MESSAGES
        pid = server.pid
        server.stop()
        eventually(lambda: ended(server.folder / "recording", pid), what="the recording is whole")
        life.moments = Recording.read(server.folder / "recording", file).moments
    return life


def text_of(number: int) -> bytes:
    """Every fifth is larger than what goes into one commit with its rows."""
    return mail(number, size=300_000 if number % 5 == 4 else 0) + END


class Audit:
    """Asks a process about images."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(AUDIT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def of(self, image: bytes, present: list[str], dotted: list[str]) -> list[str]:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        (self._folder / "data.mdb").write_bytes(image)
        assert self._process.stdin is not None and self._process.stdout is not None
        asked = {"folder": str(self._folder), "present": present, "dotted": dotted}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            return [f"reading it killed the reader: {self._process.wait()}"]
        found: list[str] = json.loads(answer)
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=90)


class Known:
    """What the world had been told by a moment."""

    def __init__(self) -> None:
        self.taken = 0
        self.dotted: list[str] = []
        self._streams: dict[str, bytes] = {}

    def pass_by(self, moment: Moment) -> None:
        if moment.kind != "sent":
            return
        if _TAKEN.match(moment.sent):
            self.taken += 1
        stream = self._streams.get(moment.socket, b"") + moment.sent
        while b"\r\n.\r\n" in stream:
            text, _, stream = stream.partition(b"\r\n.\r\n")
            found = _RECEIVED_AS.search(text)
            assert found is not None, text[:300]
            self.dotted.append(found[1].decode())
        self._streams[moment.socket] = stream


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[Audit]:
    with contextlib.closing(Audit(tmp_path / "image")) as one:
        yield one


def test_whatever_the_disk_kept_all_that_was_acknowledged_is_there(life: Life, audit: Audit) -> None:
    chance = random.Random(SEED)
    disk, known = Disk(life.before), Known()
    looked_at = 0
    for number, moment in enumerate(life.moments):
        disk.pass_by(moment)
        known.pass_by(moment)
        # A word to the world changes what must be there, all else what is: only a word between two looks is skipped.
        for image in disk.images(chance, SCATTERED):
            wrong = audit.of(image, life.sent[: known.taken], known.dotted)
            assert not wrong, (number, moment.kind, wrong[:5])
            looked_at += 1
    assert known.taken == MESSAGES, "every yes was seen"
    assert len(set(known.dotted)) == MESSAGES, "every message that was handed on was seen"
    assert looked_at > 20 * MESSAGES


def test_octets_that_the_kernel_did_not_take_are_sent_once(tmp_path: Path) -> None:
    """A client that reads slowly: of five octets two are taken, then none, then the rest."""
    line = r'{pid} sendto(9<TCP:[1->2]>, "\x61\x62\x63\x64\x65", 5, 0, NULL, 0) = {result}'
    rest = r'{pid} sendto(9<TCP:[1->2]>, "\x63\x64\x65", 3, 0, NULL, 0{end}'
    trace = tmp_path / "trace"
    trace.write_text("\n".join([
        line.format(pid=7, result=2),
        rest.format(pid=7, end=") = -1 EAGAIN (Resource temporarily unavailable)"),
        rest.format(pid=7, end=" <unfinished ...>"),
        line.format(pid=8, result="?"),
        "7 <... sendto resumed>) = 3",
    ]))  # fmt: skip
    assert [one.sent for one in Recording.read(trace, tmp_path / "file").moments] == [b"ab", b"", b"cde", b"abcde"]


def test_a_disk_that_flushes_nothing_is_noticed(life: Life, audit: Audit) -> None:
    """The same images without what was flushed: the audit must find mail missing, or it proves nothing."""
    disk, known = Disk(life.before), Known()
    for moment in life.moments:
        if moment.kind not in ("flush", "flushed"):
            disk.pass_by(moment)
        known.pass_by(moment)
    kept = next(disk.images(random.Random(SEED), 0))
    assert audit.of(kept, life.sent[: known.taken], known.dotted)
