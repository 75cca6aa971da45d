"""Durations: what people write."""

from __future__ import annotations

import pytest

from xtramail.model.duration import duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("30s", 30), ("5m", 300), ("12h", 43_200), ("14d", 1_209_600), (" 1m ", 60)]
)
def test_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "1w", "1.5h", "99999999999s", "3651d", 5, None, "٣m"])
def test_is_refused_with_the_rule(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["300ms", "30s", "5m", "12h", "14d", "90s", "0ms"])
def test_is_written_back(text: str) -> None:
    assert duration_text(parse_duration(text)) == text
