"""Speaks to a Mozilla program over Marionette, its remote control: `length:json` over TCP, one answer a command.

Owns the wire and the errors; what the program is asked to do is the caller's.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

COMMAND, ANSWER = 0, 1
WRAPPED = """
const done = arguments[arguments.length - 1];
const args = Array.from(arguments).slice(0, -1);
(async () => { %s })().then(
    value => done({value: value === undefined ? null : value}),
    error => done({error: `${error}\\n${(error && error.stack) || ""}`}),
);
"""


class MarionetteError(AssertionError):
    """The program refused a command, or a script failed in it."""


class Marionette:
    """One session with the program that listens on ``port`` of 127.0.0.1, in the context of its own code."""

    def __init__(self, port: int, *, patience: float = 60.0) -> None:
        """``patience`` is how many seconds any plain command may take. OSError when nobody answers."""
        self._patience = patience
        self._number = 0
        self._buffer = b""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._hear(time.monotonic() + patience)  # the greeting: who it is
        self.command("WebDriver:NewSession", {})
        self.command("Marionette:SetContext", {"value": "chrome"})

    def command(self, name: str, parameters: dict[str, Any], *, within: float | None = None) -> Any:
        """The result of one command. MarionetteError when it is refused, TimeoutError when no answer comes in time."""
        self._number += 1
        asked = json.dumps([COMMAND, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(asked), asked))
        deadline = time.monotonic() + (within or self._patience)
        while True:
            kind, number, error, result = self._hear(deadline)
            if (kind, number) == (ANSWER, self._number):
                break
        if error is not None:
            raise MarionetteError(f"{name}: {error['error']}: {error['message']}")
        return result

    def run(self, body: str, *arguments: Any, within: float = 60.0) -> Any:
        """What an asynchronous function of this ``body`` returns; ``args`` holds its arguments, all of them JSON."""
        answer = self.command(
            "WebDriver:ExecuteAsyncScript",
            {
                "script": WRAPPED % body,
                "args": list(arguments),
                "sandbox": "system",
                "newSandbox": True,
                "scriptTimeout": int(within * 1000),
            },
            within=within + 5,
        )["value"]
        if "error" in answer:
            raise MarionetteError(answer["error"])
        return answer["value"]

    def quit(self) -> None:
        """Ask the program to end as if its window had been closed."""
        self.command("Marionette:Quit", {"flags": ["eForceQuit"]})
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _hear(self, deadline: float) -> Any:
        while True:
            length, colon, rest = self._buffer.partition(b":")
            if colon and len(rest) >= int(length):
                self._buffer = rest[int(length) :]
                return json.loads(rest[: int(length)])
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            octets = self._socket.recv(65_536)
            if not octets:
                raise MarionetteError("the program closed the connection")
            self._buffer += octets
