"""scripts/bench soak: forty days in the life of the real server on a fast clock, and what has grown after thirty.

Constant mail in and out, clients that idle, read, file and delete, POP3, primaries that are away for hours, a stop and
a death; the days expire one after the other. Ends with 1 when a message is lost, a day goes late, or the store, memory,
descriptors or threads grow once the first days have gone. Needs libfaketime. Everything is in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.journeys.fast_life import Life, Plan  # noqa: E402

MOST = {"file": 1.15, "memory": 1.10, "descriptors": 1.15, "threads": 1.5}
"""Times what it was when the first days had gone."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--days", type=float, default=40.0)
    parser.add_argument("--retention", type=int, default=30, help="days that mail is kept")
    parser.add_argument("--factor", type=int, default=2_400, help="times as fast: 40 days in 24 minutes")
    parser.add_argument("--mail", type=float, default=10.0, metavar="MINUTES", help="between two messages")
    parser.add_argument("--hours-late", type=float, default=1.0, help="so late may expiry be, of its clock")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    chosen = parser.parse_args()

    plan = Plan(
        factor=chosen.factor,
        days=chosen.days,
        retention=chosen.retention,
        hold=14,
        mail_minutes=chosen.mail,
        stops=(0.31 * chosen.days,),
        kills=(0.57 * chosen.days,),
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        with Life(Path(folder), plan, told=lambda line: print(line, flush=True)) as life:
            life.run()
            growth = life.growth()
            late = life.lateness()
            for name, (before, after) in growth.items():
                print(f"{name}: {before:,.0f}, at the end {after:,.0f} ({after / before - 1:+.1%})")
            print(f"expiry late by {max(late):.2f} hours at most, {sorted(late)[len(late) // 2]:.2f} in the middle")
            found = life.promises(hours_late=chosen.hours_late)
    seconds = time.monotonic() - began
    print(f"{plan.days:g} days in {seconds:.0f} s: {found}")
    grown = [name for name, (before, after) in growth.items() if after > before * MOST[name]]
    if grown:
        print(f"has grown: {', '.join(grown)}")
    if chosen.json:
        figures = {"machine": platform.machine(), "days": plan.days, "factor": plan.factor, "growth": growth, **found}
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
