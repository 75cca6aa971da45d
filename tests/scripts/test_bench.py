"""The benchmarks run: a measurement that has rotted is found before it is needed."""

from __future__ import annotations

import json
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


def test_imap_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    few = ["--only", "xtramail", "--messages", "40", "--rounds", "1", "--idle", "3"]
    ended = subprocess.run(
        [ROOT / "scripts" / "bench", "imap", *few, "--folder", tmp_path, "--json", figures],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = json.loads(figures.read_text())["rows"]["xtramail"]
    assert {"header sync", "SEARCH TEXT", "STORE", "MOVE", "the same, TLS resumed"} <= rows.keys()
    assert all(row["cost_us"] > 0 for name, row in rows.items() if name != "memory of an idle session")
    assert [file.name for file in tmp_path.iterdir()] == [figures.name]


def test_a_name_that_is_no_benchmark_is_refused_with_the_names() -> None:
    ended = subprocess.run(
        [ROOT / "scripts" / "bench", "nothing"], capture_output=True, text=True, check=False, timeout=20
    )
    assert ended.returncode == 2
    assert "store" in ended.stderr
