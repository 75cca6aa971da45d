"""The page of an outage says what was counted, escapes every value, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from xtramail.app.evidence_page import lasting, page, timeline
from xtramail.delivery.evidence import INTERVALS, Evidence, Step, Timeline, UserUse

START = 1_767_225_600.0
NOTHING = (0,) * INTERVALS
EVIL = "<script>alert('x')</script>\"&"


def evidence() -> Evidence:
    return Evidence(
        outage=17,
        domain="example.test",
        started=START,
        answered=START + 3_000,
        ended=START + 3_600,
        counted=START + 3_610,
        cause="connection refused",
        steps=(
            Step(at=START, before="suspect", after="down", by="", cause="connection refused"),
            Step(at=START + 3_000, before="down", after="recovering", by="", cause="answers"),
            Step(at=START + 3_600, before="recovering", after="up", by="", cause="all that waited was handed over"),
        ),
        received=20,
        waited=1,
        fates={"delivered": 18, "suppressed": 1, "bounced": 1, "unconfirmed": 0, "held": 1},
        balanced=True,
        wrong=(),
        longest_delay=3_725.0,
        longest_message="0abcdefghijkl",
        median_delay=61.0,
        sent=4,
        sent_back={"delivered": 4},
        copies=0,
        drafts=2,
        active=1,
        users=(
            UserUse(
                address="ann@example.test", received=9, sent=4, read=7, filed=1, deleted=1, drafts=2,
                logins={"imap": START + 60},
            ),
        ),
        timeline=Timeline(
            start=START, seconds=60.0, received=(3, *NOTHING[1:]), sent=NOTHING, delivered=(*NOTHING[1:], 18)
        ),
    )  # fmt: skip


class Elements(HTMLParser):
    """Every element with its attributes, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_what_was_counted_is_said() -> None:
    words = Elements(page(evidence())).words
    for said in (
        "Outage of example.test, 2026-01-01T00:00:00Z", "connection refused", "1 h 0 min", "20, and 1 waited already",
        "21 = 18 + 1 + 1 + 0 + 1: it balances", "1 h 2 min (message 0abcdefghijkl)", "1 min 1 s", "4 delivered",
        "ann@example.test", "imap 2026-01-01T00:01:00Z", "recovering",
    ):  # fmt: skip
        assert said in words, said


def test_nothing_is_fetched_and_nothing_runs() -> None:
    found = Elements(page(evidence())).found
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in found}
    for _, attributes in found:
        assert not {"src", "href", "style", "background"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in page(evidence()) and "@import" not in page(evidence())


@pytest.mark.parametrize("field", ["domain", "cause", "longest_message"])
def test_what_strangers_wrote_is_text(field: str) -> None:
    shown = page(replace(evidence(), **{field: EVIL}))
    assert "<script" not in shown and "alert(" in shown


def test_every_other_value_is_escaped_too() -> None:
    one = evidence()
    evil = replace(
        one,
        steps=tuple(replace(step, cause=EVIL, by=EVIL, after=EVIL) for step in one.steps),
        users=(replace(one.users[0], address=EVIL, logins={EVIL: START}),),
        wrong=(EVIL,),
        sent_back={EVIL: 1},
        balanced=False,
    )
    shown = page(evil)
    assert "<script" not in shown and shown.count("&lt;script") >= 8
    assert "IT DOES NOT BALANCE" in shown


def test_the_timeline_is_a_drawing_of_states_and_counts() -> None:
    root = ElementTree.fromstring(timeline(evidence()))
    titles = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("down from 2026-01-01T00:00:00Z") for title in titles)
    assert any(title.startswith("recovering from") for title in titles)
    assert {"3", "18"} <= set(titles)
    widths = [float(one.get("width", "0")) for one in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert all(width > 0 for width in widths)


@pytest.mark.parametrize("steps", [0, 1, 200])
def test_an_outage_that_goes_on_is_drawn_too(steps: int) -> None:
    one = replace(evidence(), ended=0.0, answered=0.0, counted=START, steps=evidence().steps[:1] * steps)
    assert "goes on" in page(one)
    ElementTree.fromstring(timeline(one))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.6, "1 min 0 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h"), (-5, "0 s")]
)
def test_a_time_is_said_in_two_words(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_it_prints() -> None:
    assert re.search(r"@media print\{", page(evidence()))
