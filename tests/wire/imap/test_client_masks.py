"""Rules that hide capabilities from clients by what they say in ID."""

from __future__ import annotations

import pytest

from xtramail.wire.imap.client_masks import hidden_from, read_client_mask, show_client_mask

OUTLOOK = read_client_mask("name=Out*; version=16.?: idle, MOVE")


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ([("name", "Outlook"), ("version", "16.1")], True),
        ([("name", "OUTLOOK"), ("version", "16.1"), ("os", "x")], True),
        ([("name", "Outlook"), ("version", "16.10")], False),
        ([("name", "Outlook"), ("version", None)], False),
        ([("name", "Outlook")], False),
        ([("name", "Inlook"), ("version", "16.1")], False),
        ([], False),
    ],
)
def test_every_condition_has_to_fit_without_case(said: list[tuple[str, str | None]], fits: bool) -> None:
    assert hidden_from((OUTLOOK,), said) == (frozenset({"IDLE", "MOVE"}) if fits else frozenset())


def test_all_rules_that_fit_hide_together() -> None:
    masks = (read_client_mask("name=*: IDLE"), read_client_mask("vendor=x: MOVE"), read_client_mask("os=a\nb*: SORT"))
    assert hidden_from(masks, [("name", ""), ("vendor", "X")]) == {"IDLE", "MOVE"}


def test_a_rule_is_shown_as_it_can_be_read_again() -> None:
    assert read_client_mask(show_client_mask(OUTLOOK)) == OUTLOOK
    assert read_client_mask("name=a:b*:MOVE").fields == (("name", "a:b*"),)


@pytest.mark.parametrize("text", ["", "name=x", "name=x:", "name=x: ,", "IDLE", ": IDLE", "name: IDLE", "name=: IDLE", "name=x;: IDLE", "name=x: IMAP4rev1", "name=x: IDEL"])  # fmt: skip  # noqa: E501
def test_what_is_no_rule_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as name="):
        read_client_mask(text)
