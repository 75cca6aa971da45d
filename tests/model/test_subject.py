from __future__ import annotations

import pytest

from xtramail.model.subject import base_subject, is_reply


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("plans", "plans"),
        ("Re: plans", "plans"),
        ("RE:  Fwd:\tplans ", "plans"),
        ("re[2]: plans", "plans"),
        ("Re : plans", "plans"),
        ("Fw: [staff] Re: plans (fwd) (FWD)", "plans"),
        ("[staff] plans", "plans"),
        ("[staff]", "[staff]"),
        ("[a] [b] plans", "plans"),
        ("[fwd: plans]", "plans"),
        ("[Fwd: Re: plans]", "plans"),
        ("regards: plans", "regards: plans"),
        ("re plans", "re plans"),
        ("Re:", ""),
        ("", ""),
    ],
)
def test_replies_and_forwards_share_a_base_subject(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_a_flood_of_replies_costs_bounded_work() -> None:
    assert base_subject("re:" * 80_000).startswith("re:")


@pytest.mark.parametrize(
    ("subject", "answers"),
    [
        ("plans", False),
        ("[staff] plans", False),
        ("  plans  ", False),
        ("Re: plans", True),
        ("plans (fwd)", True),
        ("[staff] Re: plans", True),
        ("[fwd: plans]", True),
    ],
)
def test_what_says_that_it_answers_is_told_from_what_does_not(subject: str, answers: bool) -> None:
    assert is_reply(subject) is answers
