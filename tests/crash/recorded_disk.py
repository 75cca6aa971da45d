"""What a disk may hold after the power went, from a recording of what a process wrote and when it asked for a flush.

A disk keeps what was flushed: writes that were over before an fdatasync began that has returned, and writes through a
descriptor opened O_DSYNC that have returned (LMDB's meta pages). Of everything else it holds any part, in any order,
down to single sectors. Reads the output of strace; owns no opinion on what the octets mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

PAGE, SECTOR = 4096, 512
CALLS = "pwrite64,pwritev,write,writev,lseek,fdatasync,fsync,ftruncate,openat,close,sendto,sendmsg"

_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$", re.DOTALL)
_FD = re.compile(r"(\d+)<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_TAKEN = re.compile(r"\) += (-?\d+)[^)]*(?:\([^)]*\))?$")
_SENDS = ("sendto", "sendmsg")
_PLACE = re.compile(r", (\d+)(?:\)\s+= \d+)?$")


def ended(output: Path, pid: int) -> bool:
    """Whether the recording of that process is whole: the recorder writes the last lines when the recorded is gone."""
    last = output.read_bytes()[-4_096:].decode("ascii", "replace")
    return re.search(rf"^{pid} +\+\+\+ .*\+\+\+\n", last, re.MULTILINE) is not None


def recorder(output: Path) -> list[str]:
    """The front of a command line whose process and threads are to be recorded; its parent keeps its process id."""
    calls = ["--seccomp-bpf", "-e", f"trace={CALLS}"]
    return ["strace", "-D", "-f", "-y", "-xx", "-s", "4000000", *calls, "-o", str(output)]


@dataclass(frozen=True, slots=True)
class Write:
    """Octets on their way to a place in the file. ``through``: durable as soon as it is over."""

    offset: int
    octets: bytes
    through: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """``kind``: ``begun`` and ``over`` of a write, ``flush`` and ``flushed``, ``sent`` to a socket."""

    kind: str
    write: Write | None = None
    sent: bytes = b""
    socket: str = ""


def _octets(text: str) -> bytes:
    return b"".join(bytes.fromhex(piece.replace("\\x", "")) for piece in _TEXT.findall(text))


def _path(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if text.startswith("\\x") else text


@dataclass
class Recording:
    """The moments of one file's life, and what was sent to sockets between them."""

    file: Path
    moments: list[Moment] = field(default_factory=list)

    @classmethod
    def read(cls, trace: Path, file: Path) -> Recording:
        """``trace`` as :func:`recorder` wrote it; ValueError for a line that would be misread."""
        made = cls(file)
        reader = _Reader(made)
        for line in trace.read_text("ascii").splitlines():
            reader.line(line)
        return made


class _Reader:
    """Joins calls that another thread's line has interrupted, and follows descriptors."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._half: dict[str, tuple[str, str, Write | None]] = {}
        self._sends: dict[str, int] = {}
        """By process, which moment is the sending under way."""
        self._through: set[str] = set()
        self._places: dict[str, int] = {}

    def line(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            if "+++" in line or "---" in line:
                return
            raise ValueError(f"not understood: {line[:200]}")
        pid, call, rest, resumed, end = found.groups()
        if resumed is not None:
            call, rest, write = self._half.pop(pid)
            self._over(pid, call, rest + end, write)
            return
        if call in _SENDS:
            self._sends[pid] = len(self._recording.moments)
        if rest.endswith("<unfinished ...>"):
            rest = rest.removesuffix("<unfinished ...>").rstrip()
            self._half[pid] = (call, rest, self._begin(call, rest))
            return
        self._over(pid, call, rest, self._begin(call, rest))

    def _ours(self, rest: str) -> str | None:
        found = _FD.match(rest)
        return found[1] if found and _path(found[2]) == str(self._recording.file) else None

    def _tell(self, moment: Moment) -> None:
        self._recording.moments.append(moment)

    def _begin(self, call: str, rest: str) -> Write | None:
        if call in _SENDS:
            found = _FD.match(rest)
            self._tell(Moment("sent", sent=_octets(rest), socket=found[2] if found else ""))
            return None
        descriptor = self._ours(rest)
        if descriptor is None:
            return None
        if call in ("pwrite64", "pwritev"):
            # An interrupted call shows all its arguments; only the result comes later.
            tail = _PLACE.search(rest)
            if tail is None:
                raise ValueError(f"a write without a place: {rest[-80:]}")
            return self._write(descriptor, int(tail[1]), _octets(rest))
        if call in ("write", "writev"):
            octets = _octets(rest)
            place = self._places[descriptor]
            self._places[descriptor] = place + len(octets)
            return self._write(descriptor, place, octets)
        if call in ("fdatasync", "fsync"):
            self._tell(Moment("flush"))
        return None

    def _write(self, descriptor: str, offset: int, octets: bytes) -> Write:
        write = Write(offset, octets, descriptor in self._through)
        self._tell(Moment("begun", write=write))
        return write

    def _over(self, pid: str, call: str, rest: str, write: Write | None) -> None:
        if call in _SENDS:
            self._sent(self._sends.pop(pid), rest)
        elif write is not None:
            if f"= {len(write.octets)}" not in rest[-40:]:
                raise ValueError(f"a short write: {rest[-80:]}")
            self._tell(Moment("over", write=write))
        elif call == "openat":
            opened = re.search(r"= (\d+)<([^>]*)>$", rest)
            if opened and _path(opened[2]) == str(self._recording.file):
                self._through.discard(opened[1])
                if "O_DSYNC" in rest or "O_SYNC" in rest:
                    self._through.add(opened[1])
        elif (descriptor := self._ours(rest)) is not None:
            if call == "lseek":
                place = re.search(r"= (\d+)", rest)
                if place is None:
                    raise ValueError(f"a lost place: {rest[-80:]}")
                self._places[descriptor] = int(place[1])
            elif call in ("fdatasync", "fsync"):
                self._tell(Moment("flushed"))
            elif call == "ftruncate":
                raise ValueError("the file was cut: this model knows only writes")


    def _sent(self, number: int, rest: str) -> None:
        """Of what was to be sent the kernel may have taken a part, or nothing: the rest is sent once more."""
        taken = _TAKEN.search(rest)
        if taken is not None:
            moments = self._recording.moments
            moments[number] = replace(moments[number], sent=moments[number].sent[: max(int(taken[1]), 0)])


class Disk:
    """The file as flushed, and what is under way; moved on moment by moment."""

    def __init__(self, before: bytes) -> None:
        self._flushed = bytearray(before)
        self._under_way: list[Write] = []
        self._over: set[int] = set()
        self._flushing: set[int] = set()

    def pass_by(self, moment: Moment) -> None:
        write = moment.write
        if moment.kind == "begun" and write is not None:
            self._under_way.append(write)
        elif moment.kind == "over" and write is not None:
            self._over.add(id(write))
            if write.through:
                self._settle({id(write)})
        elif moment.kind == "flush":
            self._flushing = set(self._over)
        elif moment.kind == "flushed":
            self._settle(self._flushing)

    def _settle(self, writes: set[int]) -> None:
        for write in self._under_way:
            if id(write) in writes:
                _lay(self._flushed, write.offset, write.octets)
        self._under_way = [write for write in self._under_way if id(write) not in writes]

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way: then there is one image alone."""
        return not self._under_way

    def images(self, chance: Random, scattered: int) -> Iterator[bytes]:
        """Nothing of what is under way, all of it, and ``scattered`` times pages or sectors by chance."""
        yield bytes(self._flushed)
        if self.quiet:
            return
        yield self._with(lambda: True, PAGE)
        for number in range(scattered):
            yield self._with(lambda: chance.random() < 0.5, SECTOR if number % 2 else PAGE)

    def _with(self, kept: object, unit: int) -> bytes:
        assert callable(kept)
        image = bytearray(self._flushed)
        for write in self._under_way:
            for start in range(0, len(write.octets), unit):
                if kept():
                    _lay(image, write.offset + start, write.octets[start : start + unit])
        return bytes(image)


def _lay(image: bytearray, offset: int, octets: bytes) -> None:
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(octets)] = octets
