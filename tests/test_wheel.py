"""The wheel carries xtramail and one file of ``twisted/``."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.source_tree import ROOT


def test_the_wheel_holds_xtramail_and_one_twistd_plugin(tmp_path: Path) -> None:
    build = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
        entry_points = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    carried = [name for name in names if ".dist-info/" not in name]
    assert [name for name in carried if not name.startswith("xtramail/")] == ["twisted/plugins/xtramail_plugin.py"]
    assert "xtramail/app/service.py" in carried
    assert "xtramail/py.typed" in carried
    assert "xtramail = xtramail.app.command.main:main" in entry_points
    assert any(name.endswith("licenses/LICENSE") for name in names)
