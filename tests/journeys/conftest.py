"""Fixtures of the journeys: real servers, stopped by their own process, and a next hop under a test's control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.harness import Installation
from tests.journeys.scripted_primary import ScriptedPrimary

DOMAIN = "example.test"
ANN = f"ann@{DOMAIN}"
BEN = f"ben@{DOMAIN}"

Install = Callable[..., Installation]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """``install("name", settings=[...])``: a fresh installation, stopped and its log checked at the end."""
    made: list[Installation] = []

    def make(name: str = "server", settings: tuple[str, ...] = ()) -> Installation:
        one = Installation(tmp_path / name, settings=settings).init()
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def primary() -> Iterator[ScriptedPrimary]:
    with ScriptedPrimary() as one:
        yield one


@pytest.fixture
def office(install: Install, primary: ScriptedPrimary) -> Installation:
    """A running server for example.test with Ann and Ben, whose mail goes on to ``primary``."""
    server = install()
    server.add_domain(DOMAIN, "--primary", primary.host)
    for user in (ANN, BEN):
        server.add_user(user)
    return server.start()
