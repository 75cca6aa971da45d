"""The recipe of the OCI image: nothing in it is root's, and it agrees with the settings."""

from __future__ import annotations

import json
import re
import shlex

from tests.source_tree import ROOT
from xtramail.app.setting_kinds import check_endpoint
from xtramail.app.settings import Settings, describe

RECIPE = (ROOT / "Containerfile").read_text("utf-8")


def steps(stage: int = -1) -> list[tuple[str, str]]:
    """Instruction and arguments of one stage, lines joined, without comments."""
    text = "\n".join(line for line in RECIPE.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found = [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]
    starts = [place for place, (word, _) in enumerate(found) if word == "FROM"]
    ends = [*starts[1:], len(found)]
    return found[starts[stage] : ends[stage]]


def only(word: str) -> str:
    """The arguments of the one such instruction of the last stage."""
    (rest,) = [rest for found, rest in steps() if found == word]
    return rest


def environment() -> dict[str, str]:
    return dict(one.split("=", 1) for one in shlex.split(only("ENV")))


def test_it_stands_on_nobodys_image() -> None:
    assert steps(0)[0] == ("FROM", "scratch AS debian")
    assert {rest.split()[0] for word, rest in steps(1) + steps() if word == "FROM"} == {"debian"}


def test_it_runs_as_a_number_that_is_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only("USER"))
    order = [word for word, _ in steps()]
    assert order.index("USER") > max(place for place, word in enumerate(order) if word in ("RUN", "COPY"))


def test_the_server_is_the_first_process_and_hears_signals_itself() -> None:
    entry = json.loads(only("ENTRYPOINT"))
    assert entry[0] == "twistd" and "-n" in entry, "no shell in between, and no daemon that outlives it"
    assert only("STOPSIGNAL") == "SIGTERM"
    assert "CMD" not in [word for word, _ in steps()]


def test_its_health_is_asked_of_the_thread_that_serves() -> None:
    _, _, command = only("HEALTHCHECK").partition(" CMD ")
    program = json.loads(command)
    compile(program[2], "health", "exec")
    assert Settings().listen.metrics == ("tcp:9425:interface=127.0.0.1",) and "127.0.0.1:9425" in program[2]


def test_what_is_to_be_kept_lies_in_volumes() -> None:
    assert json.loads(only("VOLUME")) == [str(Settings().store.path), "/var/backups/xtramail"]


def test_its_ports_need_no_rights_and_are_the_services() -> None:
    variables = {setting.variable: setting.key for setting in describe()}
    listening = {name: value for name, value in environment().items() if name.startswith("XTRAMAIL_LISTEN_")}
    assert {variables[name] for name in listening} == {
        "listen.smtp", "listen.submission", "listen.submissions", "listen.imaps", "listen.pop3s"
    }  # fmt: skip
    ports = [check_endpoint(value).rpartition(":")[2] for value in listening.values()]
    assert all(int(port) >= 1024 for port in ports)
    assert only("EXPOSE").split() == ports
    for port in ports:
        assert f" -p {int(port) - (2500 if port == '2525' else 2000)}:{port} " in RECIPE, "as the example says"


def test_what_built_it_stays_outside() -> None:
    assert [rest for word, rest in steps() if word == "COPY"] == [
        "--from=made /opt/xtramail /opt/xtramail",
        "source/conf/xtramail.toml /etc/xtramail/xtramail.toml",
    ]
