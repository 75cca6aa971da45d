"""Certificates of our own for a server that has no other: made at start, renewed while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

from xtramail.app.authority import ensure_certificate
from xtramail.telemetry import maillog

_LOOK_SECONDS = 60.0
"""A clock that is set right again must not leave clients with a certificate of its wrong time for long."""


class OwnCertificates(Service):
    """Start it before the TlsService, which then finds the files. Runs as the service's user."""

    def __init__(self, folder: Path, hosts: Sequence[str], *, reactor: Any, now: Callable[[], float]) -> None:
        """``hosts`` are this server's names, ``reactor`` gives time (IReactorTime), ``now`` the wall clock."""
        self._folder = folder
        self._hosts = tuple(hosts)
        self._now = now
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._loop.start(_LOOK_SECONDS, now=True)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._loop.running:
            self._loop.stop()

    def look(self) -> None:
        """Make or renew; a folder that cannot be written is an alarm, for the old files may still do."""
        try:
            written = ensure_certificate(self._folder, self._hosts, now=self._now())
        except OSError as error:
            maillog.alarm(kind="certificates", text=f"{self._folder}: cannot be written: {error.strerror}")
            return
        if written is not None:
            maillog.own_certificate_written(file=written, names=self._hosts)
