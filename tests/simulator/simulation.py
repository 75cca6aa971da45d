"""A simulation: one schedule, played on one store through as many lives of the server as it takes."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.simulator.office import Mail, Office
from tests.simulator.primaries import World
from tests.simulator.schedule import Event, drawn, shortened
from tests.simulator.stores import Died, Gathered, LmdbStore, MemoryStore
from tests.simulator.timeline import Timeline
from tests.simulator.truth import Truth
from xtramail.model.bucket import Bucket
from xtramail.model.errors import StoreFault, StoreFull

EVENTS = 24
STOPPING = 700.0
"""Seconds within which a server that stops has stopped."""
WELL_WITHIN = 4 * 3_600.0
"""Seconds of good health after which nothing may wait."""
ALIKE = 24
"""So many characters of what went wrong say that it is the same fault."""

Play = Callable[[int, Sequence[Event]], tuple[str, list[str]]]


class Failure(AssertionError):
    """A promise was broken: the seed, the schedule, how far it came, and what was wrong."""


class Simulation:
    """``play`` raises AssertionError when a promise is broken."""

    def __init__(self, seed: int, store: Gathered) -> None:
        self._chance = random.Random(f"lives of {seed}")
        self.timeline = Timeline()
        self.truth = Truth(clock=self.timeline)
        self.world = World(witness=self.truth, chance=self._chance)
        self.store = store
        self.office = self._office()
        self.happened: list[str] = []

    def _office(self) -> Office:
        return Office(
            store=self.store, timeline=self.timeline, world=self.world, truth=self.truth, chance=self._chance
        )

    def play(self, events: Sequence[Event]) -> None:
        for event in events:
            self._pass(event.gap)
            self.happened.append(f"{self.timeline.timers.seconds():.3f} {event}")
            self._happens(event)
            self.truth.check()
            self.office.check()
        self._heal()

    def end(self) -> None:
        self.office.die()
        self.store.end()  # type: ignore[attr-defined]

    def _pass(self, seconds: float) -> None:
        """Time passes; where the server dies in it, the rest of it passes for its next life."""
        end = self.timeline.timers.seconds() + seconds
        while True:
            try:
                self.timeline.advance(end - self.timeline.timers.seconds())
                return
            except Died:
                self._reborn()

    def _reborn(self) -> None:
        self.happened.append(f"{self.timeline.timers.seconds():.3f} the server dies")
        self.truth.died()
        self.office.die()
        self.world.dies_at_dot, self.world.at_outcome = False, None
        full = self.store.full
        self.store = self.store.reborn()  # type: ignore[attr-defined]
        self.office = self._office()
        self.store.full = full
        self.truth.check()
        self.truth.check_mail()

    def _happens(self, event: Event) -> None:
        office, number = self.office, int(event.number)
        match event.what:
            case "mail":
                office.letter(Mail(event.whom[0], event.whom[1], event.whom[2:], number))
            case "submission":
                office.submission_of(Mail(event.whom[0], event.whom[1], event.whom[2:], number))
            case "mood":
                self.world.moods[event.whom[0]] = event.whom[1]
            case "wait":
                pass
            case "sleep":
                self._sleep(event.number)
            case "jump":
                self.truth.clock_jumps(event.number)
                self.timeline.jump(event.number)
            case "dies":
                self._reborn()
            case "dies in commit":
                self.store.dies_in = number
            case "dies at the dot":
                self.world.dies_at_dot = True
            case "restart":
                self._restart()
            case "store fails":
                self.store.faults = number
            case "commit fails":
                self.store.fails_in = number
                self.store.fails_with = StoreFull if event.whom[0] == "full" else StoreFault
            case "outcome fails":
                self.world.at_outcome = partial(self._outcome_fails, event.whom[0] == "full", number)
            case "store full":
                self.store.full = True
            case "store free":
                self.store.full = False
            case "hold domain":
                office.holds_domain(event.whom[0])
            case "release domain":
                office.releases_domain(event.whom[0])
            case "window":
                office.plans(event.whom[0], event.number)
            case "hold":
                office.holds(number)
            case "release":
                office.releases(number)
            case "bounce":
                office.bounces(number)
            case "device":
                office.adds_device(event.whom[0], number)
            case "device submission":
                office.submission_of(Mail(event.whom[0], event.whom[1], event.whom[2:], 10), device=number)
            case "revoke":
                office.revokes(event.whom[0], number)
            case "move":
                office.moves(event.whom[0], number)
            case "delete":
                office.deletes(event.whom[0], number)
            case "restore":
                office.restores(event.whom[0], number)
            case _:
                raise ValueError(event.what)

    def _outcome_fails(self, full: bool, number: int) -> None:
        """What an attempt came to cannot be written: some commits fail, or the disk is full for a while."""
        if full:
            self.store.full = True
            self.timeline.timers.callLater(7.0 * number, self._room)
        else:
            self.store.faults += number

    def _room(self) -> None:
        self.store.full = False

    def _sleep(self, seconds: float) -> None:
        try:
            self.timeline.sleep(seconds)
        except Died:
            self._reborn()
        self._pass(5.0)

    def _restart(self) -> None:
        """As an administrator does it: it writes down what it can, then ends."""
        life = self.truth.life
        self.office.stop()
        self._pass(1.0)
        if self.truth.life == life:
            if self.store.full or self.store.faults or self.store.fails_in:
                self.truth.died()
            self._reborn()

    def _heal(self) -> None:
        """Everything gets well, and stays so."""
        self.happened.append(f"{self.timeline.timers.seconds():.3f} everything gets well")
        self.world.calm()
        self.store.healed()
        until = self.timeline.timers.seconds() + WELL_WITHIN
        while self.timeline.timers.seconds() < until:
            self._pass(30.0)
            self.truth.check()
            if not self.truth.waiting():
                break
            self.office.releases_all()
        self._pass(1.0)
        self.office.check()
        self.truth.check_end()


def _corrupt(bucket: Bucket, scope: bytes, key: bytes) -> None:
    raise AssertionError(f"damaged: {bucket} {scope!r} {key!r}")


def played(seed: int, events: Sequence[Event], *, durable: bool = False) -> tuple[str, list[str]]:
    """What went wrong (empty: nothing), and what happened. ``durable``: on LMDB in place of memory."""
    with tempfile.TemporaryDirectory(prefix="simulator") as folder:
        store = (
            LmdbStore(Path(folder) / "store", on_corrupt=_corrupt) if durable else MemoryStore(on_corrupt=_corrupt)
        )
        simulation = Simulation(seed, store)
        try:
            simulation.play(events)
        except Exception as error:
            return f"{type(error).__name__}: {error}", simulation.happened
        finally:
            simulation.end()
        return "", simulation.happened


def simulate(seed: int, *, events: int = EVENTS, durable: bool = False, play: Play | None = None) -> None:
    """Play the schedule of a seed; Failure tells the shortest part of it that fails as well."""
    play = play or partial(played, durable=durable)
    schedule = drawn(seed, events)
    wrong, _ = play(seed, schedule)
    if not wrong:
        return
    kind = wrong[:ALIKE]
    short = shortened(schedule, lambda some: play(seed, some)[0][:ALIKE] == kind)
    wrong, happened = play(seed, short)
    raise Failure("\n".join([f"seed {seed}, {len(short)} of {events} events: {wrong}", *happened]))
