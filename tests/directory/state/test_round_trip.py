"""What is exported makes another server the same, to the octet; what is there already is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.directory.state.office import KEYRING, OTHER, Office, code_of, furnished
from xtramail.directory import totp
from xtramail.directory.state.catalogue import KINDS
from xtramail.directory.state.plan import BadState
from xtramail.model.address import Address
from xtramail.model.errors import BadInput
from xtramail.model.pending import drive
from xtramail.store import audit, keys
from xtramail.store.lmdb_engine import LmdbEngine


def test_an_empty_server_becomes_the_same_with_all_its_secrets() -> None:
    first = furnished().export()
    for kind in KINDS:
        assert json.loads(first)[kind.name], f"there is one of {kind.name} to be carried over"
    other = Office()
    other.clock.advance(10_000)
    other.apply(first)
    assert other.export() == first
    assert other.verifies("ann@office.example", "correct horse")


def test_on_the_engine_of_production_too(tmp_path: Path) -> None:
    first = furnished().export()
    other = Office(engine=LmdbEngine(tmp_path, create=True))
    other.apply(first)
    assert other.export() == first
    other.engine.close()


def test_without_secrets_all_else_is_carried_over_and_what_is_left_out_is_counted() -> None:
    office = furnished()
    text = office.export(secrets=False)
    value = json.loads(text)
    assert value["secrets"] is False
    assert value["left-out"] == {
        "admins.password-hash": 1,
        "devices": 2,
        "dkim": 2,
        "domains.relay-account": 1,
        "domains.secret-settings": 1,
        "tokens": 1,
        "totp": 1,
        "users.password-hash": 2,
    }
    for secret in ("XTRA-", "ssssssss", "mark", "sealed"):
        assert secret not in text
    assert office.apply(text).empty, "what it does not say stays"


def test_the_same_file_twice_changes_nothing() -> None:
    office = furnished()
    before = office.export()
    plan = office.apply(before)
    assert plan.empty and not any(count["add"] or count["change"] for count in plan.counts.values())
    rows = office.engine.read(keys.AUDIT, audit.head)[0]
    office.apply(before)
    assert office.engine.read(keys.AUDIT, audit.head)[0] == rows


def test_a_document_of_one_domain_has_what_belongs_to_it_and_nothing_else() -> None:
    office = furnished()
    value = json.loads(office.export(domain="BÜCHER.example"))
    assert value["domain"] == "xn--bcher-kva.example"
    assert [row["name"] for row in value["domains"]] == ["xn--bcher-kva.example"]
    assert [row["address"] for row in value["users"]] == ['"o\'dd, =ö"@bücher.example']
    assert "tenants" not in value and "admins" not in value and "tokens" not in value
    value["users"].append({"address": "x@office.example"})
    with pytest.raises(BadInput, match="the file is of the domain xn--bcher-kva.example alone"):
        office.apply(json.dumps(value))


def test_a_moved_phone_goes_on_working_and_no_code_is_taken_twice() -> None:
    office = Office()
    office.apply_rows(
        domains=[{"name": "o.example"}], users=[{"address": "ann@o.example", "password": "horse battery"}]
    )
    ann = Address.parse("ann@o.example")
    seed = drive(totp.start(office.desk, ann, KEYRING)).secret.reveal()
    recovery = drive(totp.confirm(office.desk, ann, code_of(seed, office.clock.now()), KEYRING))
    other = Office()
    other.apply(office.export())
    assert other.user("ann@o.example").two_step
    with pytest.raises(BadInput, match="used already"):
        drive(totp.check(other.desk, ann, code_of(seed, other.clock.now()), KEYRING))
    other.clock.advance(60)
    drive(totp.check(other.desk, ann, code_of(seed, other.clock.now()), KEYRING))
    drive(totp.check(other.desk, ann, recovery[0].reveal(), KEYRING))
    assert other.apply(office.export()).empty, "a recovery code that was used does not come back"
    with pytest.raises(BadInput, match="wrong"):
        drive(totp.check(other.desk, ann, recovery[0].reveal(), KEYRING))


def test_hashes_of_a_key_that_is_missing_are_refused_user_by_user() -> None:
    text = furnished().export()
    with pytest.raises(BadState) as error:
        Office(keyring=OTHER).apply(text)
    said = error.value.text.splitlines()
    users = [line for line in said if line.startswith("users, line ")]
    assert len(users) == 2 and all("password-hash: made with the key" in line for line in users)
    assert "bring the file of password keys over first" in users[0]
    assert {line.split(",")[0] for line in said} >= {"domains", "users", "devices", "totp", "dkim", "tokens"}
    assert said[-1] == "nothing was changed"


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_each_kind_goes_through_csv_and_back(kind: str) -> None:
    office = furnished()
    text = office.csv(kind)
    assert office.read(kind, text).empty


def test_a_whole_server_is_made_of_csv_files() -> None:
    office, other = furnished(), Office()
    for kind in KINDS:
        other.read(kind.name, office.csv(kind.name))
    assert other.export() == office.export()
