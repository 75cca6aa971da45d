"""``xtramail config effective``, with a real settings file."""

from __future__ import annotations

import pytest

from tests.app.command.office import Office


def test_each_value_with_where_it_comes_from(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRAMAIL_RELAY_HOLD_DAYS", "9")
    office.done("domain", "set", "relay.example", "sent-back=outage", "alert-secret=-", input="s" * 32 + "\n")
    office.done("user", "set", "ray@relay.example", "sent-back=never")
    found = {one["name"]: one for one in office.json("config", "effective", "ray@relay.example")}
    assert (found["sent-back"]["value"], found["sent-back"]["source"]) == ("never", "user")
    assert found["sent-back"]["instead-of"] == ["outage (domain)", "always (default)"]
    assert found["relay.hold-days"]["value"] == "9"
    assert found["relay.hold-days"]["source"] == "environment XTRAMAIL_RELAY_HOLD_DAYS"
    assert found["relay.retry"]["source"] == "default"
    assert found["alert-secret"]["value"] == "set" and found["alert-secret"]["source"] == "domain"
    spoken = office.done("config", "effective", "relay.example")
    assert "sent-back\toutage\tdomain\talways (default)" in spoken and "ssss" not in spoken
    assert "probe-idle" not in spoken and "probe-idle" in office.done("config", "effective", "relay.example", "--all")


def test_what_is_not_served_is_refused(office: Office) -> None:
    assert "not served here" in office.refused("config", "effective", "gone.example")
    assert "does not exist" in office.refused("config", "effective", "nobody@relay.example")
