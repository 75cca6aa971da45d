"""What can be said of one route, and with which field and rule it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from xtramail.directory.route_words import read
from xtramail.model.errors import BadInput


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "a b"}, "host 'a b'"),
        ({"host": "a:0"}, "port"),
        ({"host": "a", "priority": -1}, "priority -1: a number from 0 to 65535"),
        ({"host": "a", "when": "sometimes", "out": True}, "choose one of always, up, down"),
        ({"host": "a", "when": "up"}, r"only for hosts that mail goes out by \(--out\)"),
        ({"host": "a", "out": True, "user": "ray@relay.example"}, "leave --user or --out away"),
        ({"host": "a", "login": "us"}, r"only for hosts that mail goes out by"),
        ({"host": "a", "out": True, "login": "us"}, "a name and a password, or neither"),
        ({"host": "here", "out": True}, "nothing goes out by it"),
        ({"host": "here", "priority": 1}, "it has no priority"),
        ({"host": "a", "user": "no address"}, "name@example.org"),
    ],
)
def test_what_cannot_be_is_refused_with_field_and_rule(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read(**options)
