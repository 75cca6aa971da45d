"""The twistd plugin: its options, and the service that lives from start to stop.

Owns the order of a start (settings, log, ports as root, then the store as the service's user), SIGHUP, and what is said
when a start fails. What the server is made of is ``build.py``'s.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import resource
import signal
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.python import usage

import xtramail
from xtramail.app.build import Server, build
from xtramail.app.config import ConfigError, Loaded, load
from xtramail.app.log_target import attach_log, choose_log
from xtramail.app.notify import Notifier
from xtramail.app.promised_hosts import sending_text
from xtramail.app.settings import Setting, Settings, describe, named
from xtramail.model.clock import SystemClock
from xtramail.model.errors import XtramailError
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.descriptors import require_some
from xtramail.net.turns import the_reactor
from xtramail.telemetry import maillog
from xtramail.telemetry.log import JsonLog

RELOAD_AGAIN = 5.0
"""Seconds until a reload is tried again for which no file could be opened."""
_LISTS = frozenset({"endpoints", "names"})


def shown_default(setting: Setting) -> str:
    """The end of an option's help."""
    return f"[{setting.key}, default: {setting.kind.show(setting.default)}]"


class Options(usage.Options):
    """What stands behind the word xtramail on twistd's command line. Every setting of the file is in reach of --set."""

    synopsis = "[options]"
    optFlags = [["check", None, "Check settings and certificates, say all that is wrong, and exit."]]
    optParameters = [
        ["config", None, None, "Settings file; else $XTRAMAIL_CONFIG, ./xtramail.toml, /etc/xtramail/xtramail.toml."],
        *(
            [setting.option, None, None, f"{setting.doc} {shown_default(setting)}"]
            for setting in describe()
            if setting.option and setting.kind.name not in _LISTS
        ),
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._repeated: dict[str, list[str]] = {}
        self._sets: list[str] = []
        # twistd changes its folder before SIGHUP can ask for the settings again.
        self._folder = Path.cwd()
        self.loaded = Loaded(settings=Settings(), file=None, sources={})

    def _repeat(self, option: str, value: str) -> None:
        self._repeated.setdefault(option, []).append(value)

    def opt_smtp(self, endpoint: str) -> None:
        """Mail from the world; STARTTLS, never a login. May be repeated. [listen.smtp, default: ["tcp6:25"]]"""
        self._repeat("smtp", endpoint)

    def opt_submission(self, endpoint: str) -> None:
        """Mail from our users, after STARTTLS and a login. May be repeated. \
[listen.submission, default: ["tcp6:587"]]"""
        self._repeat("submission", endpoint)

    def opt_submissions(self, endpoint: str) -> None:
        """Mail from our users, TLS from the first octet. May be repeated. \
[listen.submissions, default: ["tcp6:465"]]"""
        self._repeat("submissions", endpoint)

    def opt_lmtp(self, endpoint: str) -> None:
        """Copies from a local MTA, such as "unix:/run/xtramail/lmtp"; they go into mailboxes only. May be repeated.
        [listen.lmtp, default: []]"""
        self._repeat("lmtp", endpoint)

    def opt_imaps(self, endpoint: str) -> None:
        """Mailboxes, TLS from the first octet. May be repeated. [listen.imaps, default: ["tcp6:993"]]"""
        self._repeat("imaps", endpoint)

    def opt_pop3s(self, endpoint: str) -> None:
        """INBOX over POP3, TLS from the first octet. May be repeated. [listen.pop3s, default: ["tcp6:995"]]"""
        self._repeat("pop3s", endpoint)

    def opt_metrics(self, endpoint: str) -> None:
        """Prometheus metrics, for anyone who can connect: keep it on loopback. May be repeated.
        [listen.metrics, default: ["tcp:9425:interface=127.0.0.1"]]"""
        self._repeat("metrics", endpoint)

    def opt_hostname(self, name: str) -> None:
        """Names of this server; the first greets. Empty: the machine's own name. May be repeated.
        [server.hostname, default: []]"""
        self._repeat("hostname", name)

    def opt_set(self, assignment: str) -> None:
        """Any setting as section.key=VALUE, the value in TOML. May be repeated."""
        self._sets.append(assignment)

    def opt_version(self) -> None:
        """Display the versions of xtramail and Twisted, and exit."""
        print(f"xtramail {xtramail.__version__}")
        super().opt_version()  # type: ignore[no-untyped-call]

    def load(self) -> Loaded:
        """The settings as they are now. Raises ConfigError with every mistake."""
        single = {
            setting.option: cast(str, self[setting.option])
            for setting in describe()
            if setting.option and setting.kind.name not in _LISTS and self[setting.option] is not None
        }
        loaded = load(
            config=self["config"],
            options={**single, **self._repeated},
            sets=self._sets,
            environ=os.environ,
            folder=self._folder,
        )
        return replace(loaded, settings=named(loaded.settings))

    def postOptions(self) -> None:
        """Refuse to start with a mistake (exit code 1, everything wrong on standard error), or answer --check."""
        try:
            self.loaded = self.load()
        except ConfigError as error:
            raise SystemExit(f"xtramail: {error.text}") from None
        if self["check"]:
            faults = certificate_faults(self.loaded.settings)
            if faults:
                lines = ["xtramail: certificates have faults:", *(f"  {fault}" for fault in faults)]
                raise SystemExit("\n".join(lines))
            print(f"xtramail: settings are good ({self.loaded.file or 'no file'})")
            raise SystemExit(0)


def certificate_faults(settings: Settings) -> list[str]:
    """What is wrong with the certificate folder; an empty one is filled at start."""
    store = CertificateStore(settings.certificate_folder)
    return [fault.reason for fault in store.reload(SystemClock().now())]


class XtramailService(Service):
    """The whole server as twistd sees it. ``twistd`` holds the options before the word xtramail."""

    name = "xtramail"

    def __init__(self, options: Options, *, reactor: Any) -> None:
        self._options = options
        self._reactor = reactor
        self._twistd: Mapping[str, Any] = options.parent if options.parent is not None else {}
        self._settings = options.loaded.settings
        self._log: JsonLog | None = None
        self._server: Server | None = None
        self._old_signal: Any = None
        self._reload_again: Any = None
        self._notifier = Notifier(os.environ)

    def setServiceParent(self, parent: Any) -> None:
        """Called with the application before twistd begins to log: the moment to put our log in its place."""
        chosen = choose_log(self._settings.log.file, self._twistd)
        if chosen is not None:
            try:
                self._log = attach_log(chosen, parent, self._twistd)
            except OSError as error:
                raise SystemExit(f"xtramail: log.file: {error.filename}: {error.strerror}") from None
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:
        """After daemonizing, perhaps still as root: build everything and bind the ports, open nothing."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._server = build(self._settings, self._reactor)
        self._start_step(self._server.privilegedStartService)

    def startService(self) -> None:
        """As the service's user: open the store and serve."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._server is None:
            raise RuntimeError("privilegedStartService comes first")
        self._old_signal = signal.signal(signal.SIGHUP, self._hung_up)
        self._start_step(self._server.startService)
        # What is here now stays: a collection that looked at all of it held everybody for 40 ms, again and again.
        gc.collect()
        gc.freeze()
        maillog.server_started(
            version=xtramail.__version__, hostname=self._settings.server.hostname[0], config=self._options.loaded.file
        )
        resolver, tls = self._settings.dns.validating, self._settings.relay.tls
        maillog.sending_protected(resolver=resolver, tls=tls, text=sending_text(self._settings))
        self._notifier.tell("READY=1", f"STATUS=serving as {self._settings.server.hostname[0]}")
        if self._notifier.patience and sys.__stderr__ is not None:
            # systemd ends a server that hangs by SIGABRT: the journal then has where each thread was.
            faulthandler.enable(file=sys.__stderr__)
        self._notifier.live(self._reactor)

    def _start_step(self, step: Any) -> None:
        """Expected failures become one sentence; in the foreground without a traceback, as a person started it."""
        try:
            step()
        except (XtramailError, CannotListenError, OSError) as error:
            reason = error.text if isinstance(error, XtramailError) else str(error)
            maillog.start_failed(reason=reason)
            if not (self._twistd.get("nodaemon") or self._twistd.get("debug")):
                # twistd hands the exception's text to the process that waits in the foreground.
                raise
            if self._server is not None:
                self._server.stopService()
            if pidfile := self._twistd.get("pidfile"):
                Path(pidfile).unlink(missing_ok=True)
            # sys.stderr leads into the log by now.
            print(f"xtramail: {reason}", file=sys.__stderr__)
            raise SystemExit(1) from None

    def stopService(self) -> Deferred[Any] | None:
        """Drain and close; fires when all is done."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._notifier.tell("STOPPING=1")
        if self._old_signal is not None:
            signal.signal(signal.SIGHUP, self._old_signal)
            self._old_signal = None
        if self._reload_again is not None and self._reload_again.active():
            self._reload_again.cancel()
        if self._server is None:
            return None
        def told(result: Any) -> Any:
            maillog.server_stopped()
            return result

        return self._server.stopService().addBoth(told)

    def _hung_up(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """SIGHUP: a fresh log file, certificates, and the settings that can change while running.

        All of it, or nothing yet: while no file can be opened it is tried again, until it can.
        """
        try:
            require_some()
        except OSError as error:
            if self._reload_again is None:
                maillog.reload_put_off(reason=error.strerror or str(error))
            elif self._reload_again.active():
                # Another SIGHUP, while one waits.
                return
            self._reload_again = self._reactor.callLater(RELOAD_AGAIN, self.reload)
            return
        if self._reload_again is not None and self._reload_again.active():
            self._reload_again.cancel()
        self._reload_again = None
        if self._log is not None:
            try:
                self._log.reopen()
            except OSError as error:
                maillog.alarm(kind="log", text=f"{error.filename}: {error.strerror}; the old file stays in use")
        if self._server is None:
            return
        try:
            wanted = self._options.load().settings
        except ConfigError as error:
            maillog.settings_refused(reason=error.text)
            wanted = self._settings
        changed = changed_keys(self._settings, wanted)
        in_force = self._server.reload(wanted)
        applied = tuple(key for key in changed if key in in_force)
        maillog.settings_reloaded(applied=applied, at_restart=tuple(key for key in changed if key not in in_force))
        self._settings = with_keys(self._settings, wanted, applied)


def changed_keys(before: Settings, after: Settings) -> tuple[str, ...]:
    """Keys whose values differ, in the order of the documented file."""
    return tuple(
        setting.key
        for setting in describe()
        if getattr(getattr(before, setting.section), setting.attribute)
        != getattr(getattr(after, setting.section), setting.attribute)
    )


def with_keys(settings: Settings, wanted: Settings, keys: Collection[str]) -> Settings:
    """``settings`` with the values of ``wanted`` under the given keys."""
    for setting in describe():
        if setting.key in keys:
            value = getattr(getattr(wanted, setting.section), setting.attribute)
            section = replace(getattr(settings, setting.section), **{setting.attribute: value})
            settings = replace(settings, **{setting.section: section})
    return settings


def makeService(options: Options) -> XtramailService:
    """Twisted asks this once; the store is not touched, for twistd has not yet become the process that will run."""
    with suppress(ValueError, OSError):
        raise_descriptor_limit()
    return XtramailService(options, reactor=the_reactor())


def raise_descriptor_limit() -> None:
    """As many descriptors as the machine allows: each connection is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
