"""The install guide is made of commands that scripts/clean-install can take out and follow."""

from __future__ import annotations

import re
import shlex
import subprocess

from tests.source_tree import ROOT

GUIDE = (ROOT / "OPERATING.md").read_text("utf-8")
SCRIPT = (ROOT / "scripts" / "clean-install").read_text("utf-8")


def commands() -> list[str]:
    """As the script takes them: by its own line of awk."""
    (program,) = re.findall(r"^awk '([^']+)' OPERATING.md", SCRIPT, re.MULTILINE)
    done = subprocess.run(["awk", program, "OPERATING.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_it_follows_the_commands_of_the_guide_alone() -> None:
    section = GUIDE.partition("\n## Install\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    assert commands() == "".join(blocks).splitlines()


def test_each_line_is_one_command_that_a_shell_understands() -> None:
    for line in commands():
        assert shlex.split(line), line
        assert not re.search(r"&&|\|\||;", line), "a failure in the middle would go unseen"
    subprocess.run(["sh", "-n"], input="\n".join(commands()), text=True, check=True)


def test_what_it_copies_is_there() -> None:
    named = {word for line in commands() for word in shlex.split(line) if word.startswith("conf/")}
    assert named and all((ROOT / word).is_file() for word in named)
    units = {path.name for path in (ROOT / "conf").iterdir() if path.suffix in (".service", ".timer")}
    assert units == {word.removeprefix("conf/") for word in named if word.endswith((".service", ".timer"))}


def test_the_scripts_are_good_shell() -> None:
    for name in ("clean-install", "image"):
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / name)], check=True)
    subprocess.run(["sh", "-n", str(ROOT / "scripts" / "clean-install-checks")], check=True)
