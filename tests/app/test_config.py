"""Settings from option, environment, file and default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.source_tree import ROOT
from xtramail.app.config import ConfigError, load
from xtramail.app.config_file import render
from xtramail.app.settings import Listen, Relay, Retention, Settings, describe
from xtramail.app.unknown_setting import RENAMED, Renamed


def write(folder: Path, text: str, name: str = "xtramail.toml") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def mistakes(load_it: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_it()
    return [str(mistake) for mistake in caught.value.mistakes]


def test_without_any_source_settings_are_the_defaults(tmp_path: Path) -> None:
    loaded = load(folder=tmp_path, environ={"XTRAMAIL_CONFIG": write(tmp_path, "")})
    assert loaded.settings == Settings()


def test_option_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    config = write(tmp_path, "[retention]\ndays = 7\nlog-days = 20\n[relay]\nhold-days = 3\n")
    environ = {"XTRAMAIL_RETENTION_DAYS": "8", "XTRAMAIL_RETENTION_LOG_DAYS": "21"}
    settings = load(config=config, environ=environ, options={"retention-days": "9"}, folder=tmp_path).settings
    assert (settings.retention.days, settings.retention.log_days, settings.relay.hold_days) == (9, 21, 3)
    assert settings.limits.recipients == 1000


def test_set_beats_the_option_of_the_same_setting(tmp_path: Path) -> None:
    settings = load(options={"retention-days": "9"}, sets=["retention.days = 10"], folder=tmp_path).settings
    assert settings.retention.days == 10


def test_set_takes_toml(tmp_path: Path) -> None:
    sets = ['relay.retry=["1s", "2s"]', 'log.file="/var/log/x.log"', "certificates.smtp-tickets=false"]
    settings = load(sets=sets, folder=tmp_path).settings
    assert settings.relay.retry == (1.0, 2.0)
    assert settings.log.file == Path("/var/log/x.log")
    assert settings.certificates.smtp_tickets is False


def test_the_environment_takes_bare_text_and_toml(tmp_path: Path) -> None:
    environ = {
        "XTRAMAIL_RELAY_RETRY": "1s, 2s",
        "XTRAMAIL_LISTEN_SMTP": '["tcp6:2525", "tcp:2526"]',
        "XTRAMAIL_LISTEN_IMAPS": "tcp:2993:interface=127.0.0.1",
        "XTRAMAIL_LISTEN_METRICS": "",
        "XTRAMAIL_LIMITS_MESSAGE_SIZE": "1MiB",
    }
    settings = load(environ=environ, folder=tmp_path).settings
    assert settings.relay.retry == (1.0, 2.0)
    assert settings.listen.smtp == ("tcp6:2525", "tcp:2526")
    assert settings.listen.imaps == ("tcp:2993:interface=127.0.0.1",)
    assert settings.listen.metrics == ()
    assert settings.limits.message_size == 1 << 20


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.53:5353", "::1", "[::1]:5353", "192.0.2.53"])
def test_a_resolver_is_believed_on_this_machine_or_where_the_way_is_protected(tmp_path: Path, text: str) -> None:
    remote = "remote = true" if text == "192.0.2.53" else ""
    settings = load(config=write(tmp_path, f'[dns]\nvalidating = "{text}"\n{remote}\n'), folder=tmp_path).settings
    assert settings.dns.validating == text


def test_a_repeated_option_replaces_the_files_list(tmp_path: Path) -> None:
    config = write(tmp_path, '[listen]\nsmtp = ["tcp6:25"]\n')
    options = {"smtp": ["tcp:2525:interface=127.0.0.1", "tcp6:2526:interface=\\:\\:1"]}
    settings = load(config=config, options=options, folder=tmp_path).settings
    assert settings.listen.smtp == tuple(options["smtp"])


def test_relative_paths_start_at_the_file_or_at_the_folder_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    config = write(tmp_path / "etc", '[store]\npath = "store"\n')
    assert load(config=config, folder=tmp_path).settings.store.path == tmp_path / "etc" / "store"
    assert load(config=config, options={"store": "s"}, folder=tmp_path).settings.store.path == tmp_path / "s"


def test_certificates_stand_beside_the_store_unless_a_folder_is_named(tmp_path: Path) -> None:
    assert load(options={"store": "s"}, folder=tmp_path).settings.certificate_folder == tmp_path / "s" / "certificates"
    named = load(options={"store": "s", "certificates": "c"}, folder=tmp_path).settings
    assert named.certificate_folder == tmp_path / "c"


def test_the_file_is_found_by_option_then_variable_then_folder(tmp_path: Path) -> None:
    by_option = write(tmp_path, "[retention]\ndays = 1\n", "option.toml")
    environ = {"XTRAMAIL_CONFIG": write(tmp_path, "[retention]\ndays = 2\n", "variable.toml")}
    write(tmp_path, "[retention]\ndays = 3\n")
    assert load(config=by_option, environ=environ, folder=tmp_path).settings.retention.days == 1
    assert load(environ=environ, folder=tmp_path).settings.retention.days == 2
    assert load(folder=tmp_path).settings.retention.days == 3


def test_all_mistakes_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "[retention]\ndays = 0\n\n[relay]\nretry = ['soon']\ntsl = 'none'\n\n[listne]\nsmtp = []\n\n"
        "[listen]\nimaps = 'ssl:993'\n",
    )
    found = mistakes(
        lambda: load(
            config=config,
            environ={"XTRAMAIL_LIMITS_RECIPIENTS": "many", "XTRAMAIL_LIMITS_RECIPIENT": "1"},
            options={"max-message-size": "big"},
            sets=["retention.log-days=x", "nothing"],
            folder=tmp_path,
        )
    )
    for start in (
        f"{config}:2: retention.days: must be a whole number from 1 to 3650",
        f"{config}:5: relay.retry: must be a time such as",
        f"{config}:6: relay.tsl: no such setting; perhaps tls? [relay] has retry,",
        f"{config}:8: [listne]: no such section; perhaps listen? there are server, listen,",
        f"{config}:12: listen.imaps: 'ssl:993': ssl: is refused because TLS is the service's own",
        "environment XTRAMAIL_LIMITS_RECIPIENTS: limits.recipients: must be a whole number",
        "environment XTRAMAIL_LIMITS_RECIPIENT: no such setting; perhaps XTRAMAIL_LIMITS_RECIPIENTS?",
        "option --max-message-size: limits.message-size: must be a size such as",
        "option --set retention.log-days=x: retention.log-days: the value is not TOML; write it as in --set",
        "option --set nothing: write --set section.key=VALUE",
    ):
        assert [line for line in found if line.startswith(start)], (start, found)
    assert len(found) == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("retention = 3\n", "retention: stands outside a section"),
        ("[retention\n", "not TOML: "),
        ("[relay]\nhold-days = true\n", "relay.hold-days: must be a whole number"),
        ("[relay]\nhold-days = 14.0\n", "relay.hold-days: must be a whole number"),
        ("[relay]\nretry = []\n", "relay.retry: must be a list of times"),
        ('[relay]\nretry = ["0s"]\n', "relay.retry: must not have a time of nothing"),
        ('[relay]\ntls = "maybe"\n', "relay.tls: must be one of none, opportunistic, required, verify"),
        ('[relay]\nsmarthost = "host:0"\n', "relay.smarthost: 'host:0': must be HOST or HOST:PORT"),
        ("[relay]\nconnect-timeout = 10\n", "relay.connect-timeout: must be a time such as"),
        ('[relay]\nconnect-timeout = "9999d"\n', "relay.connect-timeout: must be at most ten years"),
        ('[listen]\nsmtp = ["tls:25"]\n', "listen.smtp: 'tls:25': tls: is refused"),
        ('[listen]\nsmtp = ["25"]\n', "listen.smtp: '25': must begin with one of tcp, tcp6, unix, systemd"),
        ('[listen]\nsmtp = ["tcp:70000"]\n', "listen.smtp: 'tcp:70000': needs a port from 0 to 65535"),
        ('[listen]\nsmtp = ["systemd:smtp"]\n', "listen.smtp: 'systemd:smtp': needs domain and name"),
        ("[listen]\nsmtp = [25]\n", "listen.smtp: must be text or a list of texts"),
        ('[listen]\nimaps = "tcp6:25"\n', "listen.imaps: tcp6:25 is taken by listen.smtp already"),
        ('[server]\nhostname = "-bad-"\n', "server.hostname: domain '-bad-': not a domain name"),
        ('[store]\npath = ""\n', "store.path: must name a file or folder"),
        ('[store]\nmap-size = "1PiB"\n', "store.map-size: must be a size"),
        ('[log]\nfile = "a\\u0000b"\n', "log.file: must not have control characters"),
        ("[certificates]\nsmtp-tickets = 1\n", "certificates.smtp-tickets: must be true or false"),
        ('[dns]\nvalidating = "192.0.2.53"\n', "dns.validating: 192.0.2.53 is another machine: what it says of DNSSEC"),
        ('[dns]\nvalidating = "localhost"\n', "dns.validating: 'localhost': must be an address, such as 127.0.0.1"),
        ('[dns]\nvalidating = "127.0.0.1:99999"\n', "dns.validating: '127.0.0.1:99999': must be an address"),
        ("[limits]\nerrors-close = 5\n", "limits.errors-close: must not be below limits.errors-delay"),
        ('[alerts]\nmail = ["ops"]\n', "alerts.mail: address 'ops'"),
        ('[alerts]\nwebhook = "http://hooks.example/"\n', "alerts.webhook: must be https"),
        ('[alerts]\nwebhook = "https://hooks.example/"\n', "alerts.secret: is needed with alerts.webhook"),
        ('[alerts]\nsecret = "short"\n', "alerts.secret: must have at least 16 characters"),
    ],
)
def test_a_bad_value_is_refused_with_its_key_and_the_rule(tmp_path: Path, text: str, expected: str) -> None:
    config = write(tmp_path, text)
    found = mistakes(lambda: load(config=config, folder=tmp_path))
    assert len(found) == 1
    assert expected in found[0]
    assert config in found[0]


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    assert "no such file" in mistakes(lambda: load(config="gone.toml", folder=tmp_path))[0]


def test_port_0_may_be_asked_for_more_than_once(tmp_path: Path) -> None:
    options = {"smtp": ["tcp:0:interface=127.0.0.1"], "imaps": ["tcp:0:interface=127.0.0.1"]}
    assert load(options=options, folder=tmp_path).settings.listen.imaps == ("tcp:0:interface=127.0.0.1",)


def test_the_default_file_is_what_the_settings_say() -> None:
    assert (ROOT / "conf" / "xtramail.toml").read_text("utf-8") == render()


def test_the_default_file_read_without_its_comment_marks_gives_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^#(?=[a-z])", "", (ROOT / "conf" / "xtramail.toml").read_text("utf-8"))
    tables = tomllib.loads(text)
    assert [f"{section}.{name}" for section, table in tables.items() for name in table] == [
        setting.key for setting in describe()
    ]
    for setting in describe():
        assert setting.kind.parse(tables[setting.section][setting.name]) == setting.default


def test_a_rendered_file_gives_the_same_settings(tmp_path: Path) -> None:
    wanted = replace(
        Settings(),
        listen=Listen(smtp=("tcp:2525:interface=127.0.0.1", 'unix:/run/"odd".sock'), metrics=()),
        relay=Relay(retry=(0.25, 1.0, 90.0, 86400.0), smarthost="[::1]:25"),
        retention=Retention(days=7),
    )
    assert load(config=write(tmp_path, render(wanted)), folder=tmp_path).settings == wanted


def test_every_setting_has_documentation_and_its_own_option() -> None:
    described = describe()
    assert len({setting.key for setting in described}) == len(described)
    assert all(setting.doc.endswith((".", ")")) for setting in described)
    options = [setting.option for setting in described if setting.option]
    assert len(set(options)) == len(options)
    assert len(fields(Settings)) == len({setting.section for setting in described})


def test_the_message_log_outlives_every_held_message() -> None:
    assert Settings().tracking_days == 15
    assert replace(Settings(), retention=Retention(log_days=40)).tracking_days == 40


def test_every_setting_is_read_by_something() -> None:
    """A setting that changes nothing would be a lie in the documented file."""
    own = {"settings.py", "config.py", "config_file.py"}
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "xtramail").rglob("*.py") if path.name not in own)
    log_days_through = {"retention.log-days": "tracking_days"}
    unread = [
        setting.key
        for setting in describe()
        if not re.search(rf"\.{log_days_through.get(setting.key, setting.attribute)}\b", text)
    ]
    assert unread == []


def test_a_setting_that_was_renamed_is_named_with_its_new_name(tmp_path: Path) -> None:
    renamed = {
        "smtp.foo": Renamed(since="0.2", now="relay.retry"),
        "relay.pause": Renamed(since="0.2", now="relay.retry"),
        "login.hint": Renamed(since="0.3", why="users see it by themselves"),
    }
    config = write(tmp_path, "[smtp]\nfoo = 1\n[relay]\npause = 2\n[login]\nhint = 3\n")
    found = mistakes(
        lambda: load(
            config=config,
            environ={"XTRAMAIL_RELAY_PAUSE": "1"},
            sets=["relay.pause=3"],
            folder=tmp_path,
            renamed=renamed,
        )
    )
    called = "relay.pause: [relay] pause is called retry since 0.2: change it"
    assert found == [
        f"{config}:2: smtp.foo: [smtp] foo is called [relay] retry since 0.2: change it",
        f"{config}:4: {called}",
        f"{config}:6: login.hint: [login] hint is gone since 0.3: users see it by themselves",
        "environment XTRAMAIL_RELAY_PAUSE: [relay] pause is called retry since 0.2: change it to XTRAMAIL_RELAY_RETRY",
        f"option --set relay.pause=3: {called}",
    ]


def test_a_name_of_another_section_is_found_there(tmp_path: Path) -> None:
    config = write(tmp_path, "[server]\nretry = []\n")
    (found,) = mistakes(lambda: load(config=config, folder=tmp_path))
    assert "server.retry: no such setting; perhaps relay.retry? [server] has hostname" in found


def test_what_was_renamed_is_called_something_that_there_is() -> None:
    known = {setting.key for setting in describe()}
    for old, one in RENAMED.items():
        assert old not in known and (one.now in known or one.why), old
