"""A change of the directory whose command is killed was made with its row in the log of changes, or not at all; one
that was told is there for good, whoever dies next."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.test_outage_deaths import killed
from tests.journeys.dialogue import Line
from tests.journeys.harness import PROGRAMS, Installation, mail

DOMAIN = "example.test"
ANN = f"ann@{DOMAIN}"
POINTS = {"desk.before-change": False, "writer.in-group": False, "writer.before-commit": False,
          "writer.after-commit": True, "desk.after-change": True}  # fmt: skip
"""Whether the change is there after a death at each."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    one = Installation(tmp_path_factory.mktemp("changes") / "server").init()
    one.command("domain", "add", DOMAIN)
    one.add_user(ANN)
    one.start()
    yield one
    one.close()


def logs_in(server: Installation, password: str) -> bool:
    with Line(server.ports["imaps"], tls=server.tls()) as line:
        line.hear()
        return line.command("a", f'LOGIN {ANN} "{password}"')[-1].startswith("a OK")


def phone(server: Installation) -> str:
    return str(server.command("device", "add", ANN, "--name", "phone")["generated"])


def rows(server: Installation) -> int:
    checked = server.command("audit", "verify")
    assert checked["whole"]
    return int(checked["rows"])


@pytest.mark.parametrize("point", POINTS)
def test_a_revocation_that_is_killed_is_whole_or_not_there(server: Installation, point: str) -> None:
    password = phone(server)
    before = rows(server)
    assert killed(server, point, {}, "device", "revoke", ANN, "phone") == -signal.SIGKILL
    revoked = POINTS[point]
    assert rows(server) == before + revoked
    assert [one["name"] for one in server.command("device", "list", ANN)] == ([] if revoked else ["phone"])
    assert logs_in(server, password) is not revoked
    if not revoked:
        server.command("device", "revoke", ANN, "phone")
    assert not logs_in(server, password)


def test_a_revocation_that_was_told_outlives_command_and_server(server: Installation) -> None:
    for _ in range(5):
        password = phone(server)
        assert logs_in(server, password), "the server has seen it, and remembers that it was good"
        words = [str(PROGRAMS / "xtramail"), "--config", str(server.config), "device", "revoke", ANN, "phone"]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            assert b"phone" in running.stdout.readline(), "it says that it is done"
            running.kill()
            server.kill()
        server.start()
        assert not logs_in(server, password)
        assert server.command("device", "list", ANN) == []
    assert server.command("verify")["findings"] == []


@pytest.mark.parametrize("point", POINTS)
def test_an_applied_document_is_whole_or_not_there(server: Installation, tmp_path: Path, point: str) -> None:
    names = [f"{point.replace('.', '-')}-{number}@{DOMAIN}" for number in range(30)]
    file = tmp_path / "users.csv"
    file.write_text("\n".join(["address", *names]) + "\n")
    before = rows(server)
    # The first commit sets numbers aside for new users.
    at = point if point.startswith("desk.") else f"{point}:2"
    assert killed(server, at, {}, "import", str(file), "--kind", "users") == -signal.SIGKILL
    there = {one["address"] for one in server.command("user", "list", "--domain", DOMAIN)}
    assert (set(names) <= there) == POINTS[point] and (there.isdisjoint(names)) != POINTS[point]
    assert rows(server) == before + len(names) * POINTS[point]
    server.send(mail(point, to=ANN), ANN)
    assert server.command("import", str(file), "--kind", "users")["applied"] is not POINTS[point]
    server.send(mail(f"{point} again", to=names[0]), names[0])
    assert server.command("verify")["findings"] == []


@pytest.mark.parametrize(("point", "there"), [("import.before-commit", 0), ("import.after-commit", 1)])
def test_mail_that_was_being_imported_is_there_once(
    server: Installation, tmp_path: Path, point: str, there: int
) -> None:
    user = f"{point.replace('.', '-')}@{DOMAIN}"
    server.add_user(user)
    file = tmp_path / "one.eml"
    file.write_bytes(mail(point))
    assert killed(server, point, {}, "mail", "import", user, str(file)) == -signal.SIGKILL
    assert rows(server) > 0
    done = server.command("mail", "import", user, str(file))
    assert (done["messages"], done["already"]) == (1 - there, there)
