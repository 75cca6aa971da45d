"""The command itself: its help, its exit codes, and errors that a script can read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.app.command.office import Office
from xtramail.app.command.group import Commands, plain
from xtramail.app.command.main import COMMANDS, main

CONTEXT = click.Context(main)


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that lead to it."""
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = dict(commands())
NAMES = [" ".join(path) for path in EVERY]


def test_the_commands_are_those_that_others_script_against() -> None:
    groups = {
        "domain": {"add", "set", "show", "list", "remove", "hold", "release"},
        "user": {"add", "passwd", "set", "show", "list", "remove", "recover"},
        "queue": {"list", "show", "retry", "bounce"},
        "message": {"show", "export", "release"},
        "cert": {"list", "check", "install", "csr"},
        "demo": {"tour", "primary"},
        "demo primary": {"up", "down"},
    }
    for name, wanted in groups.items():
        command = EVERY[tuple(name.split())]
        assert isinstance(command, click.Group)
        assert wanted <= set(command.list_commands(CONTEXT)), name
    assert {"init", "trace", "expire", "status", "verify", "backup", "restore", "doctor"} < set(COMMANDS)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("init", {"--hostname", "--local"}),
        ("domain add", {"--primary", "--primary-tls", "--primary-ca", "--retention-days", "--recipients"}),
        ("user add", {"--password-stdin", "--generate", "--quota", "--type"}),
        ("user recover", {"--since", "--mailbox", "--dry-run", "--purge", "--yes"}),
        ("expire", {"--dry-run", "--confirm"}),
    ],
)
def test_options_have_the_names_that_others_script_against(path: str, options: set[str]) -> None:
    known = {name for param in EVERY[tuple(path.split())].params for name in param.opts}
    assert options <= known


def test_help_names_each_command_with_the_first_sentence_of_its_own_help() -> None:
    for path, command in [((), main), *EVERY.items()]:
        if isinstance(command, Commands):
            for name, (_, text) in command.modules.items():
                assert EVERY[(*path, name)].get_short_help_str(limit=1000) == text, (*path, name)


@pytest.mark.parametrize(
    "words", [["domain", "set", "local.example", "continuity=on"], ["user", "show", "ann@local.example"]]
)
def test_what_is_done_every_day_does_not_wait_for_what_is_done_once(office: Office, words: list[str]) -> None:
    script = (
        "import sys\nfrom xtramail.app.command.main import main\n"
        f"try: main(['--config', {str(office.config)!r}, *{words!r}])\nexcept SystemExit: pass\n"
        "heavy = ('twisted', 'dns', 'rich', 'xtramail.net', 'xtramail.delivery')\n"
        "print(*[name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_and_takes_json(name: str) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output
    assert EVERY[tuple(name.split())].help
    for param in EVERY[tuple(name.split())].params:
        if isinstance(param, click.Option):
            assert param.help, param.name


def test_help_loads_nothing_that_only_work_needs() -> None:
    script = (
        "import sys\nfrom xtramail.app.command.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = ('twisted', 'lmdb', 'rich', 'cryptography', 'msgspec')\n"
        "print(*[name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert "Administer an xtramail server" in done.stdout


def test_a_change_does_not_load_the_network(office: Office) -> None:
    script = (
        "import sys\nfrom xtramail.app.command.main import main\n"
        f"try: main(['--config', {str(office.config)!r}, 'queue', 'list'])\nexcept SystemExit: pass\n"
        "print('twisted.internet.reactor' in sys.modules, 'rich' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "False False"


@pytest.mark.parametrize(
    "words",
    [
        ["--json"],
        ["--json", "nonsense"],
        ["nonsense", "--json"],
        ["--json", "--nonsense"],
        ["domain", "--json"],
        ["domain", "--json", "add"],
        ["domain", "add", "--json"],
        ["domain", "add", "a.example", "--primary-tls", "maybe", "--json"],
        ["domain", "add", "a.example", "--retention-days", "x", "--json"],
        ["user", "add", "ann@a.example", "--json"],
        ["expire", "--dry-run", "--confirm", "--json"],
        ["queue", "retry", "--json"],
        ["restore", "/no/such/folder", "--json"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_json_for_a_script(office: Office, words: list[str]) -> None:
    result = office.run(*words)
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]
    spoken = office.run(*[word for word in words if word != "--json"])
    assert spoken.exit_code == 2
    assert spoken.stdout == "" and spoken.stderr


def test_json_may_stand_before_or_behind_the_command(office: Office) -> None:
    before = json.loads(CliRunner().invoke(main, ["--json", "--config", str(office.config), "domain", "list"]).stdout)
    assert before == office.json("domain", "list") == json.loads(office.done("domain", "--json", "list"))


def test_json_is_ascii_whatever_the_names_are(bare: Office) -> None:
    bare.done("domain", "add", "bücher.example")
    text = bare.done("user", "add", "jürgen@bücher.example", "--generate", "--json")
    assert text.isascii()
    assert json.loads(text)["address"].startswith("jürgen@")


def test_settings_with_mistakes_are_refused_with_all_of_them(bare: Office) -> None:
    bare.config.write_text('[relay]\ntls = "maybe"\nhold-days = 0\n[store]\npath = "store"\n')
    reason = bare.refused("status")
    assert "2 mistakes" in reason
    assert f"{bare.config}:2: relay.tls: must be one of" in reason
    assert f"{bare.config}:3: relay.hold-days: must be a whole number" in reason


def test_a_missing_settings_file_names_the_next_step(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--config", "gone.toml", "status"])
    assert result.exit_code == 1
    assert "gone.toml: no such file; make one with: xtramail init DIR" in result.stderr


def test_a_folder_without_a_store_names_the_next_step(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--store", str(tmp_path / "gone"), "status"])
    assert result.exit_code == 1
    assert "there is no store in" in result.stderr and "xtramail init DIR" in result.stderr
    assert not (tmp_path / "gone").exists()


def test_a_file_that_is_no_store_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"\x00\xff" * 8192)
    result = CliRunner().invoke(main, ["--store", str(tmp_path), "status"])
    assert result.exit_code == 1
    assert "damaged or no store" in result.stderr and "restore a backup" in result.stderr


def test_a_store_is_enough_where_its_settings_lie_beside_it(office: Office) -> None:
    result = CliRunner().invoke(
        main, ["--store", str(office.store), "--json", "user", "add", "new@local.example", "--generate"]
    )
    assert result.exit_code == 0, result.output
    assert office.json("user", "show", "new@local.example")["password"] == "set"


def test_settings_beside_a_store_that_name_another_store_are_not_taken(office: Office) -> None:
    office.config.write_text(office.config.read_text().replace('path = "store"', 'path = "elsewhere"'))
    result = CliRunner().invoke(main, ["--store", str(office.store), "user", "add", "new@local.example", "--generate"])
    assert result.exit_code == 1
    assert "password keys" in result.stderr and "--config FILE" in result.stderr


@pytest.mark.parametrize(
    "word", ["\udcff\udcfe", "a\0b", "\x1b[31m", "=cmd|'/c calc'!A1", "x" * 100_000, "ä" * 5_000, "-", " ", "💌"]
)
@pytest.mark.parametrize(
    "words",
    [
        ["domain", "add"],
        ["domain", "show"],
        ["domain", "hold"],
        ["domain", "set", "local.example"],
        ["user", "add", "--generate"],
        ["user", "show"],
        ["user", "remove"],
        ["user", "set", "ann@local.example"],
        ["queue", "show"],
        ["queue", "retry"],
        ["queue", "bounce"],
        ["message", "show"],
        ["message", "export"],
        ["message", "release"],
        ["trace"],
    ],
)
def test_hostile_words_are_refused_with_a_reason(office: Office, words: list[str], word: str) -> None:
    result = office.run(*words, "--json", "--", word)
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["error"]
    assert isinstance(result.exception, SystemExit)
    spoken = office.run(*words, "--", word)
    assert spoken.exit_code == 1
    assert "\x1b" not in spoken.output and "Traceback" not in spoken.output


def test_text_for_a_terminal_has_no_control_characters() -> None:
    assert plain("a\x1b[2Jb\x07\u202e\udcff\nc") == "a\\x1b[2Jb\\x07\\u202e\\udcff\nc"
