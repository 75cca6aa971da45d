"""Each target with inputs of fixed numbers, the same on every run; ``scripts/fuzz`` goes on without end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.judge import MOST_CPU, judge, judge_growth, run
from tests.fuzz.target import Finding, Target

GROWING = 6
"""Inputs of each target of which a piece is repeated."""


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_break_no_promise(name: str) -> None:
    target = TARGETS[name]
    for seed in range(target.runs):
        run(target, seed, pumping=False)


@pytest.mark.parametrize("name", TARGETS)
def test_work_does_not_grow_faster_than_the_input(name: str) -> None:
    target = TARGETS[name]
    for seed in range(GROWING):
        judge_growth(target, target.seeds[seed % len(target.seeds)], seed, min(target.pumped, 24 * 1024))


def test_a_fault_and_a_dear_call_and_steep_growth_are_findings() -> None:
    def raising(octets: bytes, _rng: object) -> object:
        yield octets.decode("ascii")

    def dear(octets: bytes, _rng: object) -> object:
        began = time.process_time()
        while time.process_time() - began < 1.2 * MOST_CPU:
            pass
        yield

    def steep(octets: bytes, _rng: object) -> object:
        yield sum(range(len(octets) ** 2 // 200))

    for play, octets, said in ((raising, b"\xff", "UnicodeDecodeError"), (dear, b"", "one call took")):
        with pytest.raises(Finding, match=said):
            judge(Target(name="x", play=play, seeds=(octets,)), octets, 0)  # type: ignore[arg-type]
    target = Target(name="x", play=steep, seeds=(b"a" * 50,), timed=False)  # type: ignore[arg-type]
    with pytest.raises(Finding, match="grows faster"):
        judge_growth(target, b"a" * 50, 1, 64 * 1024)


def test_every_fuzzer_has_a_name_of_its_own() -> None:
    programs = {path.stem for path in (Path(__file__).parents[2] / "scripts" / "fuzzers").glob("*.py")}
    assert not programs & set(TARGETS)
