from __future__ import annotations

import pytest

from tests.delivery.relay_world import RelayWorld
from xtramail.delivery.survey import Survey


@pytest.mark.parametrize("step", [1, 3, 5000])
def test_what_waits_is_counted_by_destination_with_the_age_of_the_oldest(step: int) -> None:
    world, began = RelayWorld(), 0.0
    began = world.clock.now()
    for _ in range(4):
        world.receive("ray@relay.example", "una@any.example")
        world.clock.advance(60)
    world.receive("una@any.example")
    survey = Survey(world.engine, step)
    slices = sum(1 for _ in survey.walk())
    found = {name: (one.entries, one.oldest) for name, one in survey.waiting.items()}
    assert found == {"relay.example": (4, pytest.approx(began)), "any.example": (5, pytest.approx(began))}
    assert slices >= 9 // step


def test_a_destination_that_is_empty_again_is_gone_after_the_next_pass() -> None:
    world = RelayWorld()
    survey = Survey(world.engine)
    world.receive("ray@relay.example")
    for _ in survey.walk():
        pass
    world.ticks()
    assert list(survey.waiting) == ["relay.example"]
    for _ in survey.walk():
        pass
    assert survey.waiting == {}
