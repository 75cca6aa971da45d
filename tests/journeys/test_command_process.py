"""A forked program is the program: the same words, streams, exit codes and signals."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.journeys.conftest import ANN, DOMAIN, Install
from tests.journeys.harness import PROGRAMS, Installation, commands


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--json", "domain", "list"], 0),
        (["domain", "show", "nobody.example"], 1),
        (["--json", "domain", "show", "nobody.example"], 1),
        (["domain", "nonsense"], 2),
        (["user", "--help"], 0),
    ],
)
def test_a_forked_command_says_what_the_program_says(install: Install, words: list[str], code: int) -> None:
    arguments = ["--config", str(install().config), *words]
    forked = commands().run(arguments, text="", environment=os.environ, seconds=120)
    program = subprocess.run([PROGRAMS / "xtramail", *arguments], capture_output=True, text=True, input="", timeout=240)
    assert forked.returncode == program.returncode == code
    assert (forked.stdout, forked.stderr) == (program.stdout, program.stderr)


def test_a_forked_command_reads_its_input_and_leaves_nothing_for_the_next(install: Install) -> None:
    server = install()
    server.add_domain(DOMAIN)
    server.add_user(ANN, "correct horse battery")
    arguments = ["--config", str(server.config), "user", "passwd", ANN, "--password-stdin"]
    done = commands().run(arguments, text="", environment=os.environ, seconds=120)
    assert done.returncode == 1 and "standard input" in done.stderr
    assert "XTRAMAIL_STORE" not in os.environ
    other = commands().run(["status"], text="", environment={**os.environ, "XTRAMAIL_STORE": "/"}, seconds=120)
    assert other.returncode == 1
    assert server.command("user", "show", ANN)["password"] == "set"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_forked_server_ends_as_the_program_does(install: Install, number: int) -> None:
    for forked in (True, False):
        server = Installation(install(f"forked-{forked}").folder, forked=forked).start()
        assert server.process is not None and server.process.poll() is None
        server.process.send_signal(number)
        assert server.process.wait(90) == server.process.poll() == -number
        server.process = None
