"""The benchmarks run: a measurement that has rotted is found before it is needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--seconds", "0.1", "--expire", "300", "--others", "5", "--messages", "300", "--accounts", "1000"]


def test_the_store_is_measured(tmp_path: Path) -> None:
    ended = subprocess.run(
        [ROOT / "scripts" / "bench", "store", *SMALL, "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for word in ("every record, 64 at once", "fetch summaries", "LMDB", "SQLite"):
        assert word in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_benchmark_is_refused_with_the_names() -> None:
    ended = subprocess.run(
        [ROOT / "scripts" / "bench", "nothing"], capture_output=True, text=True, check=False, timeout=20
    )
    assert ended.returncode == 2
    assert "store" in ended.stderr
