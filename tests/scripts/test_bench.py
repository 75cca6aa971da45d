"""The benchmarks run: a measurement that has rotted is found before it is needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--seconds", "0.1", "--expire", "300", "--others", "5", "--messages", "300", "--accounts", "1000"]


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As it ended."""
    return subprocess.run(
        [ROOT / "scripts" / "bench", *arguments], capture_output=True, text=True, check=False, timeout=600
    )


def test_the_store_is_measured(tmp_path: Path) -> None:
    ended = bench("store", *SMALL, "--folder", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for word in ("every record, 64 at once", "fetch summaries", "LMDB", "SQLite"):
        assert word in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_imap_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    few = ["--only", "xtramail", "--messages", "40", "--rounds", "1", "--idle", "3"]
    ended = bench("imap", *few, "--folder", tmp_path, "--json", figures)
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = json.loads(figures.read_text())["rows"]["xtramail"]
    assert {"header sync", "SEARCH TEXT", "STORE", "MOVE", "the same, TLS resumed"} <= rows.keys()
    assert {"all bodies, no TLS", "the same beside bcrypt and no cache"} <= rows.keys()
    assert all(row["cost_us"] > 0 for name, row in rows.items() if name != "memory of an idle session")
    assert [file.name for file in tmp_path.iterdir()] == [figures.name]


def test_delivery_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    few = ["--only", "xtramail", "--messages", "20", "--rounds", "1"]
    ended = bench("delivery", *few, "--folder", tmp_path, "--json", figures)
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = json.loads(figures.read_text())["rows"]["xtramail"]
    assert {"SMTP, 10 connections", "STARTTLS, a connection a message", "relayed and a copy kept"} <= rows.keys()
    assert all(row["cost_us"] > 0 for name, row in rows.items() if name != "disk for a message")
    assert [file.name for file in tmp_path.iterdir()] == [figures.name]


def test_scale_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    few = ["--sizes", "60,80,100", "--messages", "300", "--expire", "100", "--idle", "3", "--rounds", "1"]
    ended = bench("scale", "--only", "xtramail", "--times", "5", *few, "--folder", tmp_path, "--json", figures)
    # So little is no measure: whether a row grows is not asked here.
    told = ended.stderr.splitlines()
    assert all("grows faster than the work" in line for line in told), ended.stderr
    assert ended.returncode == bool(told)
    rows = json.loads(figures.read_text())["rows"]["xtramail"]
    assert {"expiry", "STORE, 100 messages", "SEARCH SUBJECT, 60 messages"} <= rows.keys()
    assert {"memory after the start, an empty store", "memory after the start, 300 messages"} <= rows.keys()
    assert rows["STORE, 100 messages"]["smallest"] == "STORE, 60 messages"
    assert "smallest" not in rows["STORE, 60 messages"] and "smallest" not in rows["STORE, 80 messages"]
    assert [file.name for file in tmp_path.iterdir()] == [figures.name]


def test_results_are_written_from_figures_that_are_there_whenever_each_was_measured(tmp_path: Path) -> None:
    rows = {"work": {"unit": "message", "cost_us": 5.0, "rate": 1.0, "samples": [[5.0, 1.0]]}}
    machine = {"processor": "one", "cores": 2, "memory_gib": 24, "kernel": "6", "python": "3"}
    about = {"minutes": 1, "load": 0, "quick": False, "revision": "1", "machine": machine}
    about |= {"versions": {"postfix": "3.7"}, "rows": {"xtramail": rows, "postfix": rows}}
    programs = {"delivery": {"began": "2026-11-01", **about}, "scale": {"began": "2026-11-02", **about}}
    (tmp_path / "results.json").write_text(json.dumps({"programs": programs}))
    ended = bench("--render", "--into", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    page = (tmp_path / "RESULTS.md").read_text()
    assert page.count("| work | message | 5.00 ± 0 %, 1.00/s |") == 2
    second = page.index("## Many and much")
    assert page.index("## Mail coming in") < page.index("2026-11-01") < second < page.index("2026-11-02")
    assert (tmp_path / "results.svg").read_text().startswith("<svg")


def test_a_row_that_nothing_is_held_against_fails_the_run_and_is_named(tmp_path: Path) -> None:
    rows = {"work": {"unit": "message", "cost_us": 5.0, "rate": 1.0, "samples": [[5.0, 1.0]]}}
    machine = {"processor": "one", "cores": 2, "memory_gib": 24, "kernel": "6", "python": "3"}
    about = {"began": "2026-11-01", "minutes": 1, "load": 0, "quick": True, "revision": "1", "machine": machine}
    (tmp_path / "results.json").write_text(json.dumps({"programs": {"scale": {**about, "rows": {"xtramail": rows}}}}))
    ended = bench("--render", "--into", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == "scripts/bench: held against nothing, neither others nor a goal: work\n"
    assert "| work | message | 5.00" in (tmp_path / "RESULTS.md").read_text()


def test_a_name_that_is_no_benchmark_is_refused_with_the_names() -> None:
    ended = bench("nothing")
    assert ended.returncode == 2
    assert "store" in ended.stderr
