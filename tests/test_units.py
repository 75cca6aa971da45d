"""The systemd units in conf/: hardened, and agreeing with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

from tests.source_tree import ROOT
from xtramail.app.setting_kinds import check_endpoint
from xtramail.app.settings import Settings, describe

CONF = ROOT / "conf"
MOST_EXPOSURE = 2.0


def settings_of(path: Path) -> dict[str, list[str]]:
    """Key to values of all sections; a unit may give a key more than once, which configparser cannot read."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_service_is_hardened() -> None:
    unit = settings_of(CONF / "xtramail.service")
    assert unit["User"] == ["xtramail"]
    assert unit["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    for key in ("NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "RestrictNamespaces"):
        assert unit[key] == ["yes"], key
    assert unit["ProtectSystem"] == ["strict"]
    assert "MemoryDenyWriteExecute" not in unit, "TLS callbacks need it off"


def test_systemd_itself_finds_little_exposure() -> None:
    tool = shutil.which("systemd-analyze")
    # Where there is no systemd there is nobody to ask; the lines themselves are held by the test above.
    if tool is not None:
        command = [tool, "security", "--offline=true", "--no-pager", str(CONF / "xtramail.service")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        exposure = re.search(r"exposure level for xtramail.service: ([0-9.]+)", done.stdout)
        assert exposure is not None, done.stderr
        assert float(exposure[1]) <= MOST_EXPOSURE


def test_each_mail_port_has_a_socket_that_the_drop_in_names() -> None:
    drop_in = settings_of(CONF / "xtramail.service.d" / "sockets.conf")
    variables = dict(line.split("=", 1) for line in drop_in["Environment"])
    defaults = Settings().listen
    for name, endpoints in (
        ("smtp", defaults.smtp),
        ("submission", defaults.submission),
        ("submissions", defaults.submissions),
        ("imaps", defaults.imaps),
        ("pop3s", defaults.pop3s),
    ):
        socket = RawConfigParser()
        socket.read(CONF / f"xtramail-{name}.socket", "utf-8")
        assert socket["Socket"]["FileDescriptorName"] == name
        assert endpoints == (f"tcp6:{socket['Socket']['ListenStream']}",)
        variable = next(setting.variable for setting in describe() if setting.key == f"listen.{name}")
        assert check_endpoint(variables[variable]).endswith(f":name={name}")
        assert f"xtramail-{name}.socket" in drop_in["Requires"][0]
