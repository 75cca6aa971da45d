"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.source_tree import ROOT


@pytest.fixture(scope="module")
def passage() -> Iterator[None]:
    """Lets a user other than root pass to the source, for tests in which the server stops being root.

    A checkout below a home folder or a private temporary one is closed to others; its folders may be passed, not read,
    while the tests of a module run, and are as before afterwards.
    """
    closed = [(folder, folder.stat().st_mode & 0o7777) for folder in (ROOT, *ROOT.parents)]
    closed = [(folder, mode) for folder, mode in closed if mode & 0o011 != 0o011]
    for folder, mode in closed:
        folder.chmod(mode | 0o011)
    yield
    for folder, mode in closed:
        folder.chmod(mode)
