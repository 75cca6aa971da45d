"""What pyproject.toml declares and what the source imports are the same."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.source_tree import ROOT, imports_by_module

# Used by a command or by pytest itself, not by an import.
USED_OTHERWISE = {
    "hatchling": "tests/test_wheel.py runs it as the build backend",
    "pytest-xdist": "scripts/test runs the suite on every core",
}


def canonical(name: str) -> str:
    """PyPI's own comparison of names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(group: str | None = None) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] if group is None else project["optional-dependencies"][group]
    return {canonical(re.split(r"[<>=!~ ;\[]", line)[0]) for line in wanted}


def imported(*folders: Path) -> set[str]:
    """Distributions whose packages are imported below the folders; an unknown package stays under its own name."""
    by_package = packages_distributions()
    found = [one for folder in folders for imports in imports_by_module(folder).values() for one in imports]
    names = {one.name.split(".")[0] for one in found}
    # What lies beside a benchmark is imported by its own name.
    beside = {path.stem for path in (ROOT / "scripts" / "benchmarks").iterdir()}
    outside = names - sys.stdlib_module_names - {"xtramail", "tests", "scripts"} - beside
    found_in = {canonical(name) for package in outside for name in by_package.get(package, [package])}
    # Our one file below twisted/ makes Twisted's package look like ours as well.
    return found_in - {"xtramail"}


def test_every_declared_dependency_is_imported() -> None:
    assert declared() - imported(ROOT / "xtramail", ROOT / "twisted") == set()


def test_everything_imported_is_declared() -> None:
    assert imported(ROOT / "xtramail", ROOT / "twisted") - declared() == set()


def test_every_test_dependency_is_used_by_tests() -> None:
    assert declared("test") - imported(ROOT / "tests") - set(USED_OTHERWISE) == set()


def test_everything_the_tests_import_is_declared() -> None:
    assert imported(ROOT / "tests", ROOT / "scripts") - declared() - declared("test") - declared("fuzz") == set()
