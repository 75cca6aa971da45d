"""The demonstration that a newcomer starts: it runs, its tour balances, Ctrl-C stops all of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.journeys.harness import PROGRAMS, SERVICES, answers, eventually, free_ports

LOCAL_PORTS = {"smtp": 2525, "submission": 2587, "submissions": 2465, "imaps": 2993, "pop3s": 2995, "metrics": 9425}


def on_free_ports(folder: Path) -> list[int]:
    """An installation as ``init`` makes it, moved to ports that nobody uses."""
    subprocess.run([str(PROGRAMS / "xtramail"), "init", str(folder), "--local"], check=True, capture_output=True)
    config = folder / "xtramail.toml"
    text = config.read_text()
    ports = free_ports(len(SERVICES))
    for name, port in zip(SERVICES, ports, strict=True):
        text = text.replace(f'"tcp:{LOCAL_PORTS[name]}:', f'"tcp:{port}:')
    config.write_text(text + '\n[relay]\nretry = ["300ms"]\n')
    return ports


def tool(folder: Path, *arguments: str) -> Any:
    done = subprocess.run(
        [str(PROGRAMS / "xtramail"), "--config", str(folder / "xtramail.toml"), "--json", *arguments],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_demonstration_shows_an_outage_and_stops_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    ports = on_free_ports(folder)
    for start in ("first", "second"):
        output = tmp_path / f"{start}.out"
        with output.open("wb") as out:
            demo = subprocess.Popen(
                # As from a terminal: what a shell starts behind it ignores SIGINT, and what that starts does, too.
                ["env", "--default-signal=INT", str(PROGRAMS / "xtramail"), "demo", "run", str(folder)],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            eventually(lambda out=output: "Stop everything" in out.read_text(), what=f"the {start} start")
            greeting = output.read_text()
            if start == "first":
                result = tool(folder, "demo", "tour")
                assert result["arrived"] == result["sent"] == 6 and result["twice"] == 0
                assert result["accepted"] == result["delivered"] and result["held"] == 0
                for command in re.findall(r"^     (.+)$", greeting, re.MULTILINE)[:2]:
                    pasted = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=240)
                    assert pasted.returncode == 0, (command, pasted.stderr)
                findings = tool(folder, "doctor")
                assert not [one for one in findings if one["level"] == "error"], findings
                tool(folder, "demo", "primary", "down")
        finally:
            # As Ctrl-C does: the terminal tells every process of the group.
            os.killpg(demo.pid, signal.SIGINT)
            try:
                assert demo.wait(90) == 0, output.read_text()
            except subprocess.TimeoutExpired:
                os.killpg(demo.pid, signal.SIGKILL)
                raise
        assert not [port for port in ports if answers(port)]
    assert "Traceback" not in "".join(path.read_text() for path in tmp_path.glob("*.out"))
