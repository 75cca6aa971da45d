from __future__ import annotations

from msgspec.structs import replace

from tests.store.samples import NOW, entry
from xtramail.delivery.attempt_rows import after
from xtramail.delivery.judgement import Judgement
from xtramail.model.outcome import Fate
from xtramail.store.records import QueueRecipient

WAITS = Judgement(fate=Fate.HELD, reply="450 busy", code=450)


def test_a_fate_that_was_closed_meanwhile_stays() -> None:
    """The answer came late: whoever bounced it, or found it delivered, had the last word."""
    closed, still_open = (
        QueueRecipient(address=f"{fate}@example.org", fate=fate, changed=NOW) for fate in (Fate.BOUNCED, Fate.HELD)
    )
    now = replace(entry(), recipients=(closed, still_open))
    judged = {one.address: WAITS for one in now.recipients}
    first, second = after(now, judged, "", NOW + 60, NOW + 1, over=False).recipients
    assert first == closed
    assert (second.fate, second.code) == (Fate.HELD, 450)
