"""The systemd units in conf/: hardened, and agreeing with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.source_tree import ROOT
from xtramail.app.notify import watchdog_seconds
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


def analysed(*arguments: str) -> str:
    """What systemd says of our units; the tool must be there: scripts/test installs it."""
    tool = shutil.which("systemd-analyze")
    assert tool is not None, "systemd-analyze is missing; run: apt-get install systemd"
    done = subprocess.run(
        [tool, "--no-pager", *arguments], capture_output=True, text=True, timeout=240, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("drop_in", [(), ("sockets.conf",)])
def test_systemd_itself_finds_little_exposure(tmp_path: Path, drop_in: tuple[str, ...]) -> None:
    unit = tmp_path / "xtramail.service"
    parts = [CONF / "xtramail.service", *(CONF / "xtramail.service.d" / name for name in drop_in)]
    # A file of its own has no drop-ins; sections may come again.
    unit.write_text("\n".join(part.read_text("utf-8") for part in parts), "utf-8")
    said = analysed("security", "--offline=true", str(unit))
    exposure = re.search(r"exposure level for xtramail.service: ([0-9.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= MOST_EXPOSURE


def test_the_unit_of_backups_is_as_little_exposed() -> None:
    said = analysed("security", "--offline=true", str(CONF / "xtramail-backup.service"))
    exposure = re.search(r"exposure level for xtramail-backup.service: ([0-9.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= MOST_EXPOSURE


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    # Programs and folders are where the install guide puts them, not here.
    here = shutil.which("true")
    for unit in [*CONF.glob("xtramail*.service"), *CONF.glob("xtramail*.socket"), *CONF.glob("xtramail*.timer")]:
        text = re.sub(r"/opt/xtramail/bin/\w+", str(here), unit.read_text("utf-8"))
        (tmp_path / unit.name).write_text(text, "utf-8")
    shutil.copytree(CONF / "xtramail.service.d", tmp_path / "xtramail.service.d")
    units = [str(path) for path in tmp_path.glob("xtramail*.*[!d]")]
    assert len(units) == len(list(CONF.glob("xtramail*.*[!d]"))) - 2, "all but the settings and the user"
    assert analysed("verify", "--man=no", "--recursive-errors=no", *units) == ""


def test_a_server_that_hangs_or_fails_is_started_again() -> None:
    unit = settings_of(CONF / "xtramail.service")
    assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == (["notify"], ["on-failure"], ["0"])
    assert watchdog_seconds({"WATCHDOG_USEC": unit["WatchdogSec"][0] + "000000"}) == 60
    assert unit["LimitCORE"] == ["0"], "the signal that ends it must not leave mail in a file"


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
