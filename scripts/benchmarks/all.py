"""scripts/bench [all]: everything that stands beside other servers, and RESULTS.md with its chart written anew.

Runs the benchmarks one after another, each as its own program, and writes RESULTS.md, results.svg and results.json
beside them; what --only leaves out stays as it was measured before. Ends with 1 when one failed, when a row is behind
or short of its goal and side_by_side/goals.py has no reason for it, or when nothing is there to hold a row against.
A full run wants a machine that has nothing
else to do: delivery takes 4 minutes, imap 6, scale fifteen. --quick takes a few minutes, prints the tables, and
writes nothing unless --into says where.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from side_by_side.chart import chart  # noqa: E402
from side_by_side.goals import alone, unexplained  # noqa: E402
from side_by_side.report import CHART, report  # noqa: E402
from side_by_side.rows import Results, parse  # noqa: E402

PROGRAMS = {
    "delivery": "mail coming in",
    "imap": "reading, with 10,000 messages in the mailbox",
    "scale": "many and much",
}
FIGURES = "results.json"
QUIET = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--into", type=Path, default=None, help="the folder that RESULTS.md is written into")
    parser.add_argument("--quick", action="store_true", help="little of everything, once: shows that it works")
    parser.add_argument(
        "--only", action="append", choices=list(PROGRAMS), help="leave the others out; may be given several times"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing: write the last figures again")
    options = parser.parse_args()
    into: Path | None = options.into or (None if options.quick else HERE)
    failed: list[str] = []
    programs: dict[str, Any] = {}
    if into is not None and (into / FIGURES).exists():
        programs = json.loads((into / FIGURES).read_text("utf-8"))["programs"]
    if not options.render:
        fresh, failed = measure(options.folder, quick=options.quick, only=options.only or list(PROGRAMS))
        programs |= fresh
    if into is not None:
        write(into, programs)
    for one in programs.values():
        results = parse(one)
        if lonely := alone(results):
            failed.append(f"held against nothing, neither others nor a goal: {'; '.join(lonely)}")
        if not one["quick"] and (lacking := unexplained(results)):
            told = "; ".join(lacking)
            failed.append(f"behind, short of the goal or growing, and side_by_side/goals.py does not say why: {told}")
    for problem in failed:
        print(f"scripts/bench: {problem}", file=sys.stderr)
    sys.exit(1 if failed else 0)


def measure(folder: Path | None, *, quick: bool, only: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The figures of the programs in ``only``, and what went wrong."""
    if os.getloadavg()[0] > QUIET:
        print("scripts/bench: the machine is busy already: figures will be worse", file=sys.stderr)
    failed, programs = [], {}
    with tempfile.TemporaryDirectory(prefix="xtramail-figures-") as name:
        for program in (one for one in PROGRAMS if one in only):
            file = Path(name) / f"{program}.json"
            command = [sys.executable, str(HERE / f"{program}.py"), "--json", str(file)]
            command += ["--folder", str(folder)] if folder is not None else []
            began, load = time.time(), os.getloadavg()[0]
            print(f"{program}:", flush=True)
            done = subprocess.run([*command, "--quick"] if quick else command)
            if done.returncode:
                failed.append(f"{program} ended with {done.returncode}")
            if file.exists():
                programs[program] = json.loads(file.read_text("utf-8")) | {
                    "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began)),
                    "minutes": round((time.time() - began) / 60, 1),
                    "load": round(load, 2),
                    "quick": quick,
                    "revision": _revision(),
                }
    return programs, failed


def write(into: Path, programs: dict[str, Any]) -> None:
    """RESULTS.md, the chart and the figures themselves."""
    measured = {title: programs[program] for program, title in PROGRAMS.items() if program in programs}
    sections: dict[str, Results] = {title: parse(one) for title, one in measured.items()}
    into.mkdir(parents=True, exist_ok=True)
    (into / FIGURES).write_text(json.dumps({"programs": programs}, indent=1) + "\n", "utf-8")
    (into / CHART).write_text(chart(sections, "How many times what xtramail takes the others take"), "utf-8")
    page = report(sections, {title: _facts(one) for title, one in measured.items()})
    (into / "RESULTS.md").write_text(page, "utf-8")


def _facts(figures: dict[str, Any]) -> dict[str, str]:
    """On what, of what and when the figures of a program were measured."""
    on = figures["machine"]
    when = f"{figures['began']}, in {figures['minutes']:g} minutes, load before {figures['load']:g}"
    return {
        "machine": f"{on['processor']}, {on['cores']} cores, {on['memory_gib']} GiB",
        "kernel": on["kernel"],
        "Python": on["python"],
        **{name.capitalize(): version for name, version in figures.get("versions", {}).items()},
        "xtramail": figures["revision"],
        "measured": when + (": a quick run, which shows that it works and no more" if figures["quick"] else ""),
    }


def _revision() -> str:
    """Of the sources, where they are a repository; with a + where they were changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=10"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
