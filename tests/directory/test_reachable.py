"""Who is no operator has this machine connect to mail servers and webhooks of the world, and to nothing of its own."""

from __future__ import annotations

import pytest

from tests.directory.offices import ACORN, DORA, ODA, TIM, Offices
from xtramail.directory.domains import parse_change, set_domain
from xtramail.model.errors import NotPermitted
from xtramail.model.pending import drive

INSIDE = [
    ("primary", "127.0.0.1"),
    ("primary", "mx.example,10.0.0.7"),
    ("primary", "[::1]:25"),
    ("primary", "[64:ff9b::7f00:1]:25"),
    ("primary", "mx.example:6379"),
    ("smarthost", "localhost:587"),
    ("smarthost", "relay.internal"),
    ("primary-imap", "192.168.1.9"),
    ("primary-imap", "imap.example:22"),
    ("alert-webhook", "http://127.0.0.1:8080/"),
    ("alert-webhook", "https://[fd00::1]/hook"),
    ("alert-webhook", "https://hooks.example:6443/hook"),
    ("alert-webhook", "https://printer/hook"),
]
OUTSIDE = [
    ("primary", "mx.example:2525,8.8.8.8"),
    ("smarthost", "relay.example"),
    ("primary-imap", "imap.example:143"),
    ("alert-webhook", "https://hooks.example/path"),
]


@pytest.mark.parametrize(("key", "value"), INSIDE)
def test_what_lies_inside_is_for_operators_to_name(key: str, value: str) -> None:
    offices = Offices()
    changes = [parse_change(key, value), parse_change("alert-secret", "a secret long enough")]
    for name in (DORA, TIM):
        with pytest.raises(NotPermitted, match="operator"):
            drive(set_domain(offices.admin(name), ACORN, changes))
    drive(set_domain(offices.admin(ODA), ACORN, changes))


@pytest.mark.parametrize(("key", "value"), OUTSIDE)
def test_what_lies_outside_is_for_a_domain_s_admin_to_name(key: str, value: str) -> None:
    offices = Offices()
    changes = [parse_change(key, value), parse_change("alert-secret", "a secret long enough")]
    drive(set_domain(offices.admin(DORA), ACORN, changes))
    drive(set_domain(offices.admin(DORA), ACORN, [parse_change(key, "")] if key != "primary" else []))
