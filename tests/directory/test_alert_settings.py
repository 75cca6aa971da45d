from __future__ import annotations

import pytest

from tests.delivery.world import World
from tests.directory.offices import ACORN, ANN, DORA, ZINNIA, ZOE, Offices
from xtramail.directory import alert_settings, domains, users
from xtramail.directory.domain_settings import regular
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("a@x.example", "a@x.example"),
        ("a@x.example, b@y.example a@x.example", "a@x.example,b@y.example"),
    ],
)
def test_addresses_are_kept_once_each(given: str, kept: str) -> None:
    assert regular("alert-mail", given) == kept


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("alert-mail", "nobody", "nobody"),
        ("alert-mail", ",".join(f"a{n}@x.example" for n in range(21)), "at most 20 addresses"),
        ("alert-webhook", "http://hooks.example/", "must be https"),
        ("alert-webhook", "ftp://hooks.example/", "write it as https://"),
        ("alert-webhook", "https://", "write it as https://"),
        ("alert-webhook", "https://a:b@hooks.example/", "without a user name"),
        ("alert-webhook", "https://hooks.example/#x", "without a user name"),
        ("alert-webhook", "https://hooks.example/a b", "write it as https://"),
        ("alert-webhook", "https://hooks.example:99999/", "not a URL"),
        ("alert-webhook", "https://[::1/", "not a URL"),
        ("alert-webhook", "https://h\u00f6oks.example/", "in ASCII"),
        ("alert-webhook", "https://hooks.example/" + "a" * 2000, "at most 2000"),
        ("alert-secret", "short", "at least 16 characters"),
    ],
)
def test_what_could_not_work_is_refused_with_its_rule(name: str, value: str, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        regular(name, value)


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(BadInput) as refused:
        regular("alert-secret", "short")
    assert "short" not in refused.value.text


@pytest.mark.parametrize(
    "url", ["https://hooks.example/x?y=z", "https://10.0.0.7:8443/", "http://127.0.0.1:8080/", "http://[::1]/"]
)
def test_urls_that_can_be_posted_to_stay_as_they_are(url: str) -> None:
    assert regular("alert-webhook", url) == url


def test_an_address_in_a_served_domain_is_refused() -> None:
    world = World()
    with pytest.raises(BadInput, match="relay.example is served here"):
        alert_settings.refuse_served(world.engine, "a@outside.example,me@RELAY.example")
    alert_settings.refuse_served(world.engine, "a@outside.example")
    alert_settings.refuse_served(world.engine, "")


def test_who_only_claims_a_domain_keeps_nobody_from_naming_an_address_in_it() -> None:
    offices = Offices()
    drive(domains.add_domain(offices.admin(ZOE), "provider.example"))
    drive(users.set_user(offices.user(ANN), ANN, outside="ann@provider.example"))
    with pytest.raises(BadInput, match=f"{ZINNIA} is served here"):
        drive(users.set_user(offices.user(ANN), ANN, outside=f"ann@{ZINNIA}"))


def test_who_is_told_is_looked_at_whoever_sets_it() -> None:
    offices = Offices()
    with pytest.raises(BadInput, match="is served here"):
        drive(domains.set_domain(offices.admin(DORA), ACORN, [domains.parse_change("alert-mail", f"ann@{ACORN}")]))


def test_a_webhook_without_a_secret_gets_one() -> None:
    row = World().domain("new.example")
    made = alert_settings.missing_secret(row, {"alert-webhook": "https://h.example/"})
    assert len(made) == 32
    assert alert_settings.missing_secret(row, {}) == ""
    given = {"alert-webhook": "https://h.example/", "alert-secret": "0123456789abcdef"}
    assert alert_settings.missing_secret(row, given) == ""
