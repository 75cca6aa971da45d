"""Loads every ``xtramail`` command and the server once and forks itself for each; ``command_process.py`` asks it.

Requests come on standard input, which is a socket: words, folder and environment as JSON, with the descriptors of the
three streams and of a pipe that is told the exit code. It ends when nobody is left who could ask.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.scripts import twistd

import xtramail.app.command.main
import xtramail.app.service
from xtramail.app.command.main import main

MOST = 150_000
"""Octets of one request."""


def serve(requests: socket.socket) -> Callable[[], None]:
    """What is left to do when nobody asks any more, or in a process that goes on as another program."""
    for path in sorted(Path(xtramail.app.command.main.__file__).parent.glob("*.py")):
        import_module(f"xtramail.app.command.{path.stem}")
    # A fork shares what nobody writes to; the reactor is each server's own.
    assert "twisted.internet.reactor" not in sys.modules
    gc.freeze()
    # Nobody waits for those that were forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        octets, files, _, _ = socket.recv_fds(requests, MOST, 4)
        if not octets:
            return lambda: None
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            return forked(json.loads(octets), files)
        for one in files:
            os.close(one)


def forked(request: dict[str, Any], files: list[int]) -> Callable[[], None]:
    *streams, tells = files
    if request["program"] == "xtramail":
        carry_out(request, streams, tells)
    if (pid := os.fork()) != 0:
        watch(pid, files, tells)
    os.close(tells)
    become(request, streams)
    gc.unfreeze()
    return lambda: sys.exit(twistd.run())  # type: ignore[no-untyped-call]


def watch(pid: int, files: list[int], tells: int) -> None:
    """Tell who another process is and how it ended."""
    for one in (0, 1, 2, *files):
        if one != tells:
            os.close(one)
    os.write(tells, b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Take over streams, folder, environment and words."""
    for number, file in enumerate(streams):
        os.dup2(file, number)
    for file in set(streams):
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [str(Path(sys.executable).with_name(request["program"])), *request["arguments"]]


def carry_out(request: dict[str, Any], streams: list[int], tells: int) -> None:
    """A command, to the end of this process."""
    code = 1
    try:
        become(request, streams)
        main(prog_name="xtramail")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(tells, b"%d\n" % code)
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))()
