"""Killed at each named moment of delivery and relay, the server loses nothing that it acknowledged.

One installation lives through all of them, so that what one death leaves behind is found by the next start.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.crash.load import Acknowledged, audit, file_some, prepared, send_some, send_until_it_dies, twice
from tests.journeys.harness import Installation
from tests.journeys.scripted_primary import ScriptedPrimary

# Point, and at which passes to die there. The writer passes its points several times before the first message.
POINTS = {
    "intake.first-chunk": (1, 3),
    "intake.before-commit": (1, 4),
    "intake.after-commit": (1, 4),
    "intake.before-reply": (1, 4),
    "writer.in-group": (3, 9, 20),
    "writer.before-commit": (3, 9, 20),
    "writer.after-commit": (3, 9, 20),
    "relay.leased": (1, 4),
    "relay.before-attempt": (1, 4),
    "relay.after-attempt": (1, 4),
    "relay.before-outcome": (1, 4),
    "relay.after-outcome": (1, 4),
}
World = tuple[Installation, ScriptedPrimary, Acknowledged]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ScriptedPrimary() as primary:
        server = prepared(Installation(tmp_path_factory.mktemp("points") / "server").init(), primary)
        yield server, primary, Acknowledged()
        server.close()


@pytest.mark.parametrize(
    ("point", "at"), [(point, at) for point, passes in POINTS.items() for at in passes], ids=lambda value: str(value)
)
def test_a_death_at_a_named_point_loses_nothing_acknowledged(world: World, point: str, at: int) -> None:
    server, primary, known = world
    before = twice(primary)
    server.environment = {"XTRAMAIL_CRASH_AT": f"{point}:{at}"}
    server.start(may_die=True)
    send_some(server, known, 8)
    file_some(server, known, 2)
    send_until_it_dies(server, known)
    assert server.wait_for_death() == -signal.SIGKILL

    attempted = being_handed_over(server)
    server.environment = {}
    server.start()
    send_some(server, known, 1)
    server.drains()
    audit(server, primary, known)
    assert server.stop() == 0
    again = twice(primary) - before
    assert again <= attempted, "a message is handed over twice only if the answer to its dot may have been lost"
    if point == "relay.before-outcome" and at == 1:
        assert again, "the primary had it, and nobody can know"


def being_handed_over(server: Installation) -> set[str]:
    """Messages whose attempt row stood when the server died: written before the dot, it explains every duplicate."""
    names = {one["id"]: one["message_id"].strip("<>").partition("@")[0] for one in server.log("message-accepted")}
    return {
        names.get(entry["message"], "")
        for entry in server.queue()
        if any(one["fate"] in ("attempted", "unconfirmed") for one in entry["recipients"])
    }
