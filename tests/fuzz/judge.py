"""Plays one input and says what is wrong with it: a fault of ours, a call that is too dear, or dearer than its input.

Costs are processor time of this process; whatever seems dear is played again, and the cheapest time counts.
"""

from __future__ import annotations

import time
import traceback
from random import Random

from tests.fuzz.mutate import mutated, pumped
from tests.fuzz.target import Finding, Target

MOST_CPU = 0.1
"""Seconds of one call."""
_AGAIN = 4
_STEEP = 2.9
"""Times as much for twice the input: what sorts or looks up costs a little over 2, what is quadratic costs 4."""
_FLAT = 0.03
"""Seconds below which growth is not looked at."""


def judge(target: Target, octets: bytes, seed: int) -> float:
    """Seconds of the dearest call; Finding."""
    dearest = _play(target, octets, seed)
    if target.timed and dearest > MOST_CPU:
        dearest = min(dearest, *(_play(target, octets, seed) for _ in range(_AGAIN)))
        if dearest > MOST_CPU:
            raise Finding(target, octets, seed, f"one call took {dearest * 1000:.0f} ms of processor time")
    return dearest


def judge_growth(target: Target, octets: bytes, seed: int, most: int) -> None:
    """A piece of ``octets`` repeated up to ``most`` octets must not cost four times what half of it costs."""
    large = pumped(octets, Random(seed), most)
    whole = _total(target, large, seed)
    if whole < _FLAT:
        return
    small = pumped(octets, Random(seed), most // 2)
    for _ in range(_AGAIN):
        # In turns: processors that others use as well are slow for a while, and then they are not.
        costs = [(_total(target, large, seed), _total(target, small, seed)) for _ in range(_AGAIN)]
        whole, half = min(one for one, _ in costs), min(one for _, one in costs)
        if whole <= _FLAT or whole <= _STEEP * half:
            return
        told = f"{len(small)} octets cost {half * 1000:.0f} ms, {len(large)} octets {whole * 1000:.0f} ms"
    raise Finding(target, large, seed, f"work grows faster than the input: {told}")


def run(target: Target, seed: int, *, pumping: bool) -> bytes:
    """The input of that number, judged; gives it back. Finding."""
    rng = Random(seed)
    octets = mutated(target, rng)
    if pumping and rng.random() < 0.04:
        judge_growth(target, octets, seed, target.pumped)
        octets = pumped(octets, Random(seed), target.pumped)
    judge(target, octets, seed)
    return octets


def shortened(found: Finding, target: Target, seconds: float = 20.0) -> bytes:
    """A smaller input that is found wrong as well: pieces taken out while it stays so."""
    octets, until = found.octets, time.monotonic() + seconds
    size = max(len(octets) // 2, 1)
    while size and time.monotonic() < until:
        at = 0
        while at < len(octets) and time.monotonic() < until:
            shorter = octets[:at] + octets[at + size :]
            if _is_wrong(target, shorter, found):
                octets = shorter
            else:
                at += size
        size //= 2
    return octets


def _is_wrong(target: Target, octets: bytes, found: Finding) -> bool:
    try:
        judge(target, octets, found.seed)
    except Finding as again:
        return again.text.splitlines()[-1][:40] == found.text.splitlines()[-1][:40]
    return False


def _play(target: Target, octets: bytes, seed: int) -> float:
    """Seconds of the dearest call."""
    return max(_costs(target, octets, seed), default=0.0)


def _total(target: Target, octets: bytes, seed: int) -> float:
    return sum(_costs(target, octets, seed))


def _costs(target: Target, octets: bytes, seed: int) -> list[float]:
    costs: list[float] = []
    calls = target.play(octets, Random(seed))
    try:
        while True:
            began = time.process_time()
            try:
                next(calls)
            except StopIteration:
                return costs
            finally:
                costs.append(time.process_time() - began)
    except Exception:
        raise Finding(target, octets, seed, traceback.format_exc().strip()) from None
