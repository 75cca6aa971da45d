"""The limit of watched folders is raised for a benchmark's run, and is afterwards what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmarks.side_by_side.watches import watched


def limit(folder: Path, instances: int) -> Path:
    setting = folder / "max_user_instances"
    setting.write_text(f"{instances}\n")
    return setting


def test_a_limit_that_is_too_low_is_raised_and_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = limit(tmp_path, 128)
    with pytest.raises(RuntimeError), watched(1_000, setting) as possible:
        assert possible
        assert int(setting.read_text()) > 1_000
        raise RuntimeError("the benchmark fails")
    assert setting.read_text() == "128\n"
    assert "instead of 128" in capsys.readouterr().out


def test_a_limit_that_is_high_enough_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for instances, sessions in ((8_192, 1_000), (0, 0)):
        setting = limit(tmp_path, instances)
        with watched(sessions, setting) as possible:
            assert possible
            assert setting.read_text() == f"{instances}\n"
    assert capsys.readouterr().out == ""


def test_a_limit_that_may_not_be_raised_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    # Linux lets nobody write this one, root neither; it is some forty.
    setting = Path("/proc/sys/kernel/cap_last_cap")
    before = setting.read_text()
    with watched(1_000, setting) as possible:
        assert not possible
    assert setting.read_text() == before
    assert f"{setting} is {before.strip()}, and cannot be" in capsys.readouterr().err
