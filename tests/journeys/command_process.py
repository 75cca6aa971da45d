"""The ``xtramail`` command, each time in a process of its own, without a new Python for each.

A process that has loaded every command waits (``command_server.py``); for each call it is forked, so that nothing of
one call is left for the next. That costs a tenth of what the program costs, nearly all of which is loading. What is to
be killed, or lives by another clock, is run as the program itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SERVER = Path(__file__).with_name("command_server.py")


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
        """What subprocess.run of the program would give; AssertionError when it is not over in time."""
        request = json.dumps({"arguments": list(arguments), "folder": os.getcwd(), "environment": dict(environment)})
        with _files(3) as streams, contextlib.ExitStack() as stack:
            os.pwrite(streams[0], text.encode(), 0)
            ended, tells = os.pipe()
            stack.callback(os.close, ended)
            try:
                socket.send_fds(self._requests, [request.encode()], [*streams, tells])
            finally:
                os.close(tells)
            ready, _, _ = select.select([ended], [], [], seconds)
            assert ready, f"xtramail {' '.join(arguments)}: not over in {seconds} s"
            code = os.read(ended, 16)
            assert code, f"xtramail {' '.join(arguments)}: it died"
            out, err = (os.pread(one, os.fstat(one).st_size, 0).decode() for one in streams[1:])
        return subprocess.CompletedProcess(["xtramail", *arguments], int(code), out, err)


@contextlib.contextmanager
def _files(count: int) -> Iterator[list[int]]:
    made = [os.memfd_create(f"stream {number}") for number in range(count)]
    try:
        yield made
    finally:
        for one in made:
            os.close(one)
