"""Loads every ``xtramail`` command once and forks itself for each call; ``command_process.py`` starts and asks it.

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
from importlib import import_module
from pathlib import Path
from typing import Any

import xtramail.app.command.main
from xtramail.app.command.main import main

MOST = 150_000
"""Octets of one request."""


def serve(requests: socket.socket) -> None:
    for path in sorted(Path(xtramail.app.command.main.__file__).parent.glob("*.py")):
        import_module(f"xtramail.app.command.{path.stem}")
    # Nobody waits for those that were forked.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        octets, files, _, _ = socket.recv_fds(requests, MOST, 4)
        if not octets:
            return
        if os.fork() == 0:
            requests.close()
            carry_out(json.loads(octets), files)
        for one in files:
            os.close(one)


def carry_out(request: dict[str, Any], files: list[int]) -> None:
    """In the forked process, to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, tells = files
    for number, file in enumerate(streams):
        os.dup2(file, number)
        os.close(file)
    code = 1
    try:
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["xtramail", *request["arguments"]]
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os.write(tells, str(code).encode())
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=os.dup(0)))
