"""The twistd plugin: its options and the life of the process."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from xtramail.app.build import RELOADABLE
from xtramail.app.log_target import STANDARD_ERROR, STANDARD_OUTPUT, LogTarget, choose_log
from xtramail.app.service import Options, changed_keys, with_keys
from xtramail.app.settings import Limits, Relay, Settings, describe

TWISTD = [str(Path(sys.executable).parent / "twistd")]
STOPPED = -signal.SIGTERM
"""twistd ends by the signal it was asked to end with, once everything is closed."""
ANY_PORT = "tcp:0:interface=127.0.0.1"
PORTS = [
    argument
    for option in ("smtp", "submission", "submissions", "imaps", "pop3s", "metrics")
    for argument in (f"--{option}", ANY_PORT)
]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("XTRAMAIL_")}


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TWISTD, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=240, check=False
    )


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


def test_help_tells_every_option_with_its_key_meaning_and_default(tmp_path: Path) -> None:
    shown = " ".join(run("xtramail", "--help", folder=tmp_path).stdout.split())
    for setting in describe():
        if setting.option:
            assert f"--{setting.option}= " in shown
            assert f"[{setting.key}, default: {setting.kind.show(setting.default)}]" in shown
            assert " ".join(setting.doc.split()) in shown
    known = {setting.option for setting in describe()} | {"config", "set", "check", "help", "version"}
    assert set(re.findall(r" --([a-z0-9-]+)=? ", shown)) == known - {""}


def test_every_option_reaches_its_setting(tmp_path: Path) -> None:
    settings = parsed(
        *("--smtp", "tcp6:2525", "--smtp", "tcp:2526", "--submission", "tcp:2587", "--submissions", "tcp:2465"),
        *("--imaps", "tcp:2993", "--pop3s", "tcp:2995", "--metrics", "tcp:2900", "--store", "store"),
        *("--hostname", "Mail.Example.org"),
        *("--certificates", str(tmp_path), "--retention-days", "7", "--hold-days", "8", "--log-days", "9"),
        *("--max-message-size", "1MiB", "--set", "login.bcrypt-cost=4", "--set", 'relay.retry=["1s"]'),
    ).loaded.settings
    assert settings.listen.smtp == ("tcp6:2525", "tcp:2526")
    assert settings.listen.submission == ("tcp:2587",)
    assert settings.listen.submissions == ("tcp:2465",)
    assert settings.listen.imaps == ("tcp:2993",)
    assert settings.listen.pop3s == ("tcp:2995",)
    assert settings.listen.metrics == ("tcp:2900",)
    assert settings.store.path == Path.cwd() / "store"
    assert settings.server.hostname == ("mail.example.org",)
    assert settings.certificates.path == tmp_path
    assert (settings.retention.days, settings.relay.hold_days, settings.retention.log_days) == (7, 8, 9)
    assert settings.limits.message_size == 1 << 20
    assert settings.login.bcrypt_cost == 4
    assert settings.relay.retry == (1.0,)


def test_a_server_without_a_name_takes_the_machines() -> None:
    assert parsed().loaded.settings.server.hostname[0]


def test_mistakes_end_the_start_with_all_of_them_and_exit_code_1(tmp_path: Path) -> None:
    done = run("-n", "--pidfile=", "xtramail", "--retention-days", "0", "--imaps", "ssl:993", folder=tmp_path)
    assert done.returncode == 1
    assert "option --retention-days: retention.days: must be a whole number" in done.stderr
    assert "option --imaps: listen.imaps: 'ssl:993': ssl: is refused" in done.stderr


def test_check_says_that_all_is_good_and_starts_nothing(tmp_path: Path) -> None:
    done = run("-n", "--pidfile=", "xtramail", "--store", "store", "--check", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "xtramail: settings are good (no file)\n")
    assert not (tmp_path / "store").exists()


def test_check_looks_at_the_certificates_too(tmp_path: Path) -> None:
    (tmp_path / "mail.example.crt").write_text("oops")
    done = run("-n", "--pidfile=", "xtramail", "--certificates", ".", "--check", folder=tmp_path)
    assert done.returncode == 1
    assert "mail.example.crt: holds no PEM certificate" in done.stderr


@pytest.mark.parametrize(
    ("file", "twistd", "expected"),
    [
        (None, {"nodaemon": True}, LogTarget(STANDARD_ERROR, beside=False)),
        (None, {"nodaemon": True, "logfile": "-"}, LogTarget(STANDARD_OUTPUT, beside=False)),
        (None, {"logfile": "/var/log/x"}, LogTarget(Path("/var/log/x"), beside=False)),
        (None, {}, LogTarget(Path.cwd() / "twistd.log", beside=False)),
        (None, {"syslog": True}, None),
        (None, {"logger": object()}, None),
        (Path("/log"), {}, LogTarget(Path("/log"), beside=False)),
        (Path("/log"), {"logfile": "/var/log/x"}, LogTarget(Path("/log"), beside=True)),
        (Path("/log"), {"syslog": True}, LogTarget(Path("/log"), beside=True)),
    ],
)
def test_the_log_goes_where_settings_and_twistd_say(
    file: Path | None, twistd: dict[str, object], expected: LogTarget | None
) -> None:
    assert choose_log(file, twistd) == expected


def test_every_reloadable_key_is_a_setting() -> None:
    assert {setting.key for setting in describe()} >= RELOADABLE


def test_only_the_named_keys_are_taken_over() -> None:
    wanted = replace(Settings(), limits=Limits(recipients=200), relay=Relay(concurrency=1, hold_days=2))
    taken = with_keys(Settings(), wanted, {"relay.concurrency"})
    assert taken == replace(Settings(), relay=Relay(concurrency=1))


def test_changed_keys_are_told_in_the_order_of_the_file() -> None:
    before = Settings()
    after = replace(before, limits=Limits(recipients=200), relay=Relay(concurrency=1, hold_days=2))
    assert changed_keys(before, after) == ("relay.hold-days", "relay.concurrency", "limits.recipients")


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*TWISTD, "-n", "--pidfile=pid", "xtramail", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def lines_until(process: subprocess.Popen[str], event: str) -> list[dict[str, object]]:
    """Log lines up to that event; fails when the process ends without it."""
    assert process.stderr is not None
    lines = []
    for text in process.stderr:
        line = json.loads(text)
        lines.append(line)
        if line["event"] == event:
            return lines
    raise AssertionError(f"no {event} in {lines}")


def test_a_server_starts_without_a_file_survives_sighup_and_stops_on_sigterm(tmp_path: Path) -> None:
    with server(tmp_path, "--store", "store", "--hostname", "mail.example.org", *PORTS) as process:
        started = lines_until(process, "server-started")[-1]
        assert started["hostname"] == "mail.example.org"
        assert (tmp_path / "store" / "certificates" / "mail.example.org.crt").exists()
        process.send_signal(signal.SIGHUP)
        reloaded = lines_until(process, "settings-reloaded")
        assert [line["names"] for line in reloaded if line["event"] == "certificates-loaded"] == [["mail.example.org"]]
        process.send_signal(signal.SIGTERM)
        lines_until(process, "server-stopped")
        assert process.wait(90) == STOPPED
        assert not (tmp_path / "pid").exists()


def test_sighup_tells_what_changed_and_refuses_a_broken_file(tmp_path: Path) -> None:
    config = tmp_path / "xtramail.toml"
    config.write_text('[store]\npath = "store"\n[server]\nhostname = "mail.example.org"\ndrain = "5s"\n')
    with server(tmp_path, *PORTS) as process:
        assert lines_until(process, "server-started")[-1]["config"] == str(config)
        config.write_text(config.read_text().replace("5s", "6s") + "[relay]\nconcurrency = 2\n")
        for again in (False, True):
            # What waits for a restart is told each time, what is in force only once.
            process.send_signal(signal.SIGHUP)
            told = lines_until(process, "settings-reloaded")[-1]
            assert told["at_restart"] == ["server.drain"]
            assert told["applied"] == ([] if again else ["relay.concurrency"])
        config.write_text("[server\n")
        process.send_signal(signal.SIGHUP)
        refused = lines_until(process, "settings-refused")[-1]
        assert "not TOML" in str(refused["reason"])
        told = lines_until(process, "settings-reloaded")[-1]
        assert (told["applied"], told["at_restart"]) == ([], []), "what held before holds"
        process.send_signal(signal.SIGTERM)
        lines_until(process, "server-stopped")


def test_sighup_while_no_file_can_be_opened_is_told_once_and_done_later(tmp_path: Path) -> None:
    config = tmp_path / "xtramail.toml"
    config.write_text('[store]\npath = "store"\n[server]\nhostname = "mail.example.org"\n')
    with server(tmp_path, *PORTS) as process:
        lines_until(process, "server-started")
        config.write_text(config.read_text() + "[relay]\nconcurrency = 2\n")
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, hard))
        process.send_signal(signal.SIGHUP)
        assert lines_until(process, "reload-put-off")[-1]["reason"] == "Too many open files"
        process.send_signal(signal.SIGHUP)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
        since = lines_until(process, "settings-reloaded")
        assert since[-1]["applied"] == ["relay.concurrency"]
        assert not [line for line in since if line["event"] in ("reload-put-off", "bug", "alarm")]
        process.send_signal(signal.SIGTERM)
        lines_until(process, "server-stopped")


def test_a_port_that_is_taken_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    taken = "tcp:1:interface=192.0.2.1"
    done = run(
        *("-n", "--pidfile=pid", "xtramail", "--store", "store", "--hostname", "mail.example.org"),
        *(*PORTS, "--metrics", taken),
        folder=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("xtramail: Couldn't listen on 192.0.2.1:1")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pid").exists()


def test_the_log_file_of_a_daemon_is_json_and_opened_again(tmp_path: Path) -> None:
    arguments = ["--store", "store", "--hostname", "mail.example.org", "--set", 'log.file="mail.log"', *PORTS]
    with server(tmp_path, *arguments) as process:
        log = tmp_path / "mail.log"
        _wait_for(log, "server-started", process)
        log.rename(tmp_path / "mail.log.1")
        process.send_signal(signal.SIGHUP)
        _wait_for(log, "settings-reloaded", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == STOPPED
        assert json.loads(log.read_text().splitlines()[-1])["event"] == "server-stopped"


def _wait_for(path: Path, event: str, process: subprocess.Popen[str]) -> None:
    """Until the file tells of the event; ends at once when the process does."""
    while process.poll() is None:
        if path.exists() and f'"event":"{event}"' in path.read_text():
            return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"no {event}")
