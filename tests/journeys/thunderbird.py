"""Thunderbird as a user has it: a profile of its own, no window on any screen, driven through its own code.

Owns the process, its profile and the calls into `thunderbird.js`; what is expected of it is the tests'. It reaches
nothing but this machine: a proxy that nobody serves stands before every other host.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.harness import Installation, eventually
from tests.journeys.marionette import Marionette

CODE = Path(__file__).with_name("thunderbird.js").read_text("utf-8")
STARTED_WITHIN = 60.0
STARTS = 2
"""A program of this size sometimes fails to come up on a busy machine; nothing else is ever tried twice."""
STOPPED_WITHIN = 60.0

LOGGED = re.compile(r":localhost:(?:NA|A|S-(?P<mailbox>.*?)):(?P<way>SendData|CreateNewLineFromSocket): (?P<text>.*)")

PREFERENCES: dict[str, Any] = {
    "marionette.port": 0,
    # Nothing leaves this machine, and nobody asks for updates or tells how it is used.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 1,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 1,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "extensions.blocklist.enabled": False,
    "services.settings.server": "data:,",
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.healthreport.uploadEnabled": False,
    "toolkit.telemetry.server": "",
    "mail.inappnotifications.enabled": False,
    "mail.provider.enabled": False,
    # No page, no question, no wizard in the way.
    "mailnews.start_page.enabled": False,
    "mail.rights.version": 1,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.shell.checkDefaultClient": False,
    "mail.spam.version": 1,
    "app.donation.eoy.version.viewed": 999,
    "browser.dom.window.dump.enabled": True,
    # Neither windows nor sounds for new mail.
    "mail.biff.show_alert": False,
    "mail.biff.play_sound": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One line of an IMAP connection; ``ours`` is Thunderbird's, ``mailbox`` the one selected or empty."""

    mailbox: str
    ours: bool
    text: str


class Thunderbird:
    """One profile in ``folder``; started and ended as often as a test likes, by its own process group."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.profile = folder / "profile"
        self.imap_log = folder / "imap"
        self.output = folder / "thunderbird.out"
        for made in (self.home, self.profile):
            made.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.remote: Marionette | None = None
        self.starts = 0
        self.prefer(**PREFERENCES)

    def __enter__(self) -> Thunderbird:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def prefer(self, **preferences: Any) -> None:
        """Settings from its next start on."""
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
        with (self.profile / "user.js").open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def start_with(self, server: Installation) -> Thunderbird:
        """Its first start, on a machine whose administrator has made the server's authority known to it."""
        self.start()
        der = ssl.PEM_cert_to_DER_cert(server.authority.read_text("ascii"))
        self.call("trust", base64.b64encode(der).decode())
        return self

    def start(self) -> Thunderbird:
        """Come up with its window ready; OSError or AssertionError when it does not, twice."""
        for left in reversed(range(STARTS)):
            try:
                self._start()
                return self
            except (OSError, AssertionError):
                self.kill()
                if not left:
                    raise
        raise AssertionError("never started")

    def _start(self) -> None:
        assert self.process is None, "it runs already"
        self.starts += 1
        told = self.profile / "MarionetteActivePort"
        told.unlink(missing_ok=True)
        arguments = ["thunderbird", "--headless", "--no-remote", "--profile", str(self.profile)]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*arguments, "--marionette", "--remote-allow-system-access"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={
                    **os.environ,
                    "HOME": str(self.home),
                    "XDG_RUNTIME_DIR": str(self.home),
                    "MOZ_HEADLESS": "1",
                    "MOZ_CRASHREPORTER_DISABLE": "1",
                    "MOZ_LOG": "IMAP:4,timestamp,sync",
                    "MOZ_LOG_FILE": f"{self.imap_log}-{self.starts}",
                },
            )
        process = self.process

        def port() -> str:
            assert process.poll() is None, f"it ended at once: {self.output.read_text()[-2000:]}"
            return told.read_text() if told.exists() else ""

        self.remote = Marionette(int(eventually(port, within=STARTED_WITHIN, what="Thunderbird gives its port")))
        self.call("ready")

    def stop(self) -> None:
        """End it as its user does, by closing it; AssertionError when it does not go."""
        assert self.process is not None and self.remote is not None
        self.remote.quit()
        try:
            self.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end in {STOPPED_WITHIN} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and whatever it started, now."""
        if self.remote is not None:
            self.remote.close()
            self.remote = None
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def call(self, name: str, *arguments: Any, within: float = 60.0) -> Any:
        """What the function ``name`` of `thunderbird.js` returns."""
        assert self.remote is not None, "it does not run"
        return self.remote.run(f"{CODE}\nreturn await {name}(...args);", *arguments, within=within)

    def dialogue(self) -> list[Said]:
        """What it said and heard on all its IMAP connections, as its own log has it, over all its starts."""
        logs = [Path(f"{self.imap_log}-{start}.moz_log") for start in range(1, self.starts + 1)]
        lines = [line for log in logs for line in log.read_text("utf-8", "replace").splitlines()]
        return [
            Said(mailbox=found["mailbox"] or "", ours=found["way"] == "SendData", text=found["text"])
            for found in map(LOGGED.search, lines)
            if found is not None
        ]
