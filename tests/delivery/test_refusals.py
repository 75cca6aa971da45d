"""Which refusals are the message's own fault, and which may be an accident of the primary's."""

from __future__ import annotations

import pytest

from xtramail.delivery.refusals import OF_THE_MESSAGE, fault_of_message, may_be_accident
from xtramail.model.outcome import Reply
from xtramail.wire.smtp.client_events import RecipientOutcome, Stage, Verdict

ACCIDENTS = [
    (Stage.RCPT, 550, "5.1.1"),  # no such user: the directory did not come up
    (Stage.RCPT, 550, "5.1.10"),  # Exchange Online's way to say so
    (Stage.RCPT, 550, ""),
    (Stage.RCPT, 550, "5.2.1"),  # mailbox disabled
    (Stage.RCPT, 552, "5.2.2"),  # mailbox full
    (Stage.FINAL, 552, "5.2.2"),
    (Stage.RCPT, 552, ""),
    (Stage.RCPT, 550, "5.4.1"),
    (Stage.RCPT, 550, "5.7.1"),  # relaying denied
    (Stage.RCPT, 550, "5.7.606"),  # our address is on a list
    (Stage.DATA, 554, "5.7.1"),
    (Stage.FINAL, 554, ""),
    (Stage.FINAL, 554, "5.0.0"),
    (Stage.FINAL, 550, "5.3.5"),
    (Stage.FINAL, 554, "5.4.14"),  # hop count: a loop that somebody made
]
FAULTS = [
    (Stage.RCPT, 550, "5.1.7"),
    (Stage.RCPT, 550, "5.1.8"),
    (Stage.FINAL, 552, "5.3.4"),
    (Stage.MAIL, 552, ""),
    (Stage.FINAL, 552, ""),
    (Stage.RCPT, 552, "5.3.4"),
    (Stage.FINAL, 552, "5.2.3"),
    (Stage.FINAL, 554, "5.6.0"),
    (Stage.FINAL, 554, "5.6.7"),
    (Stage.FINAL, 550, "5.7.1"),
    (Stage.FINAL, 550, "5.7.26"),
    (Stage.FINAL, 554, "5.7.509"),
]


def refused(stage: Stage, code: int, enhanced: str) -> RecipientOutcome:
    return RecipientOutcome(verdict=Verdict.REFUSED, stage=stage, reply=Reply.of(code, enhanced, "no"))


@pytest.mark.parametrize(("stage", "code", "enhanced"), ACCIDENTS)
def test_what_speaks_of_a_mailbox_or_of_the_primary_may_be_an_accident(stage: Stage, code: int, enhanced: str) -> None:
    assert may_be_accident(refused(stage, code, enhanced))


@pytest.mark.parametrize(("stage", "code", "enhanced"), FAULTS)
def test_what_speaks_of_the_message_is_its_fault_and_says_why(stage: Stage, code: int, enhanced: str) -> None:
    assert not may_be_accident(refused(stage, code, enhanced))
    assert fault_of_message(refused(stage, code, enhanced))


def test_what_was_decided_here_is_no_accident_of_the_primarys() -> None:
    assert not may_be_accident(refused(Stage.LOCAL, 550, "5.6.7"))
    assert not may_be_accident(RecipientOutcome(verdict=Verdict.REFUSED, stage=Stage.LOCAL, reply=None))


def test_only_refusals_are_guarded() -> None:
    for verdict in set(Verdict) - {Verdict.REFUSED}:
        assert not may_be_accident(RecipientOutcome(verdict=verdict, stage=Stage.RCPT, reply=Reply.of(450, "", "x")))


def test_every_line_of_the_table_gives_its_reason() -> None:
    assert all(rule.why and (rule.begins or rule.code) for rule in OF_THE_MESSAGE)
