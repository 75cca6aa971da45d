"""What every test may ask for."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from tests.source_tree import ROOT

LONGEST = ("crash", "journeys", "scripts", "simulator", "app")
"""Folders whose files take longest, the longest first."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On several workers files that take long come first, or the last of them would run beside nothing."""
    if not hasattr(config, "workerinput"):
        return
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.relative_to(ROOT / "tests").parts[0], len(LONGEST)))


@pytest.fixture(scope="module")
def passage() -> Iterator[None]:
    """Lets a user other than root pass to the source, for tests in which the server stops being root.

    A checkout below a home folder or a private temporary one is closed to others; its folders may be passed, not read,
    while the tests of a module run, and are as before afterwards. Modules that want it take turns, over all processes:
    what one of them closes again another one would still need.
    """
    turn = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    closed = [(folder, folder.stat().st_mode & 0o7777) for folder in (ROOT, *ROOT.parents)]
    closed = [(folder, mode) for folder, mode in closed if mode & 0o011 != 0o011]
    for folder, mode in closed:
        folder.chmod(mode | 0o011)
    yield
    for folder, mode in closed:
        folder.chmod(mode)
    os.close(turn)
