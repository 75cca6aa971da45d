"""``xtramail`` and ``twistd``, each time in a process of its own, without a new Python for each.

A process that has loaded the programs waits (``command_server.py``); for each call it is forked, so that nothing of one
call is left for the next. That costs a tenth of what the programs cost, nearly all of which is loading. What has an
environment of its own, such as another clock or a point to die at, is run as the program itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("command_server.py")


class Forked:
    """A process that goes on, with what is used of subprocess.Popen here. Exit codes are as there."""

    def __init__(self, tells: int) -> None:
        """``tells``: a pipe from which its id comes at once, and its exit code when it has ended."""
        self._tells = os.fdopen(tells, "rb", buffering=0)
        self.pid = int(self._line(60.0))
        self.returncode: int | None = None

    def _line(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self._tells], [], [], seconds)
        return self._tells.readline() if ready else b""

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """subprocess.TimeoutExpired when it has not ended by then."""
        if self.returncode is None:
            line = self._line(3_600.0 if timeout is None else timeout)
            if not line:
                raise subprocess.TimeoutExpired("twistd", timeout or 0.0)
            self.returncode = int(line)
            self._tells.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class CommandProcess:
    """The process that waits; it ends with this one."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # As a module, so that what lies beside it does not stand before the standard library.
            command = [sys.executable, "-m", "tests.journeys.command_server"]
            self._process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, cwd=SERVER.parents[2])

    def run(
        self, arguments: Sequence[str], *, text: str, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """What subprocess.run of ``xtramail`` would give; AssertionError when it is not over in time."""
        with _files(3) as streams:
            os.pwrite(streams[0], text.encode(), 0)
            tells = self._ask("xtramail", arguments, streams, os.getcwd(), environment)
            try:
                ready, _, _ = select.select([tells], [], [], seconds)
                assert ready, f"xtramail {' '.join(arguments)}: not over in {seconds} s"
                code = os.read(tells, 16)
            finally:
                os.close(tells)
            assert code, f"xtramail {' '.join(arguments)}: it died"
            out, err = (os.pread(one, os.fstat(one).st_size, 0).decode() for one in streams[1:])
        return subprocess.CompletedProcess(["xtramail", *arguments], int(code), out, err)

    def start(self, arguments: Sequence[str], *, log: int, folder: Path, environment: Mapping[str, str]) -> Forked:
        """``twistd`` with its output in the open file ``log``."""
        with open(os.devnull, "rb") as nothing:
            return Forked(self._ask("twistd", arguments, [nothing.fileno(), log, log], str(folder), environment))

    def _ask(
        self,
        program: str,
        arguments: Sequence[str],
        streams: Sequence[int],
        folder: str,
        environment: Mapping[str, str],
    ) -> int:
        request: dict[str, Any] = {"program": program, "arguments": list(arguments), "folder": folder}
        octets = json.dumps(request | {"environment": dict(environment)}).encode()
        told, tells = os.pipe()
        try:
            socket.send_fds(self._requests, [octets], [*streams, tells])
        finally:
            os.close(tells)
        return told


@contextlib.contextmanager
def _files(count: int) -> Iterator[list[int]]:
    made = [os.memfd_create(f"stream {number}") for number in range(count)]
    try:
        yield made
    finally:
        for one in made:
            os.close(one)
