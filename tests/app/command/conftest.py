"""Fixtures of the command line's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.app.command.office import Office
from xtramail.app.command.main import main


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own are found."""
    for name in [name for name in os.environ if name.startswith("XTRAMAIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XTRAMAIL_LOGIN_BCRYPT_COST", "4")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Office:
    """A new installation with nobody in it."""
    result = CliRunner().invoke(main, ["init", str(tmp_path / "mail"), "--local", "--hostname", "mail.example.org"])
    assert result.exit_code == 0, result.output
    return Office(tmp_path / "mail")


@pytest.fixture
def office(bare: Office) -> Office:
    """With the domains and users of ``tests.delivery.world``."""
    bare.world(lambda world: None)
    return bare
