"""Where the log goes, as the settings and twistd's own options say together."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from twisted.logger import ILogObserver, globalLogPublisher

from xtramail.telemetry.log import JsonLog

STANDARD_OUTPUT = 1
STANDARD_ERROR = 2


@dataclass(frozen=True, slots=True)
class LogTarget:
    """``beside`` tells that twistd writes its own text log as well, where its options say."""

    target: Path | int
    beside: bool


def choose_log(file: Path | None, twistd: Mapping[str, Any]) -> LogTarget | None:
    """``file`` is ``[log] file``; ``twistd`` are the options before the word xtramail. None: twistd's own log alone."""
    own_logger = bool(twistd.get("logger") or twistd.get("syslog"))
    logfile = twistd.get("logfile")
    if file is not None:
        return LogTarget(file, beside=own_logger or bool(logfile))
    if own_logger:
        return None
    if logfile == "-":
        return LogTarget(STANDARD_OUTPUT, beside=False)
    if logfile:
        return LogTarget(Path(logfile).absolute(), beside=False)
    if twistd.get("nodaemon") or twistd.get("debug"):
        return LogTarget(STANDARD_ERROR, beside=False)
    # A daemon has no standard error; twistd's own default file takes its place.
    return LogTarget(Path("twistd.log").absolute(), beside=False)


def future_owner(twistd: Mapping[str, Any]) -> tuple[int, int]:
    """The uid and gid that ``--uid`` and ``--gid`` will switch to; -1 where nothing changes."""
    uid, gid = twistd.get("uid"), twistd.get("gid")
    if os.geteuid() != 0:
        return -1, -1
    if uid is not None and gid is None:
        gid = pwd.getpwuid(uid).pw_gid
    return (-1 if uid is None else uid), (-1 if gid is None else gid)


def attach_log(chosen: LogTarget, application: Any, twistd: Mapping[str, Any]) -> JsonLog:
    """Open the log and make it twistd's observer, or one beside it. OSError when the file cannot be opened."""
    log = JsonLog(chosen.target, owner=future_owner(twistd))
    if chosen.beside:
        globalLogPublisher.addObserver(cast(Any, log))
    else:
        application.setComponent(ILogObserver, log)
    return log
