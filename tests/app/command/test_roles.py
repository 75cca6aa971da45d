"""Tenants, admins, tokens and the log of changes, from the command line."""

from __future__ import annotations

import getpass
import json

import pytest

from tests.app.command.office import Office
from xtramail.model.bucket import PERMANENT
from xtramail.store import audit, audit_keys, keys
from xtramail.store.engine import Txn


@pytest.fixture
def owned(office: Office) -> Office:
    """``local.example`` is acme's."""
    office.done("tenant", "add", "acme", "--note", "since 2026", "--contact", "it@acme.example")
    office.done("domain", "set", "local.example", "tenant=acme")
    return office


def test_a_tenant_is_shown_with_what_it_owns(owned: Office) -> None:
    assert "acme\tlocal.example\tit@acme.example\tsince 2026" in owned.done("tenant", "list")
    assert owned.json("domain", "show", "local.example")["tenant"] == "acme"
    owned.done("domain", "add", "more.example", "--tenant", "acme")
    assert owned.json("tenant", "set", "acme", "note=")["domains"] == ["local.example", "more.example"]
    assert "tenant nobody does not exist" in owned.refused("domain", "add", "x.example", "--tenant", "nobody")
    assert "tenant acme owns local.example, more.example" in owned.refused("tenant", "remove", "acme", "--yes")
    for name in ("local.example", "more.example"):
        owned.done("domain", "set", name, "tenant=")
    owned.done("tenant", "remove", "acme", "--yes")
    assert owned.json("tenant", "list") == []


def test_an_admin_is_added_changed_and_removed_with_his_tokens(owned: Office) -> None:
    added = owned.json("admin", "add", "Tom@acme.example", "--role", "tenant-admin", "--tenant", "acme", "--generate")
    assert (added["name"], added["role"], added["tenant"], added["password"]) == (
        "tom@acme.example", "tenant-admin", "acme", "set",
    )  # fmt: skip
    assert "generated" not in owned.json("admin", "show", "tom@acme.example")
    reason = owned.refused("admin", "passwd", "tom@acme.example", "--password-stdin", input="password1\n")
    assert "tried first" in reason
    owned.done("admin", "passwd", "tom@acme.example", "--password-stdin", input="correct horse battery\n")
    token = owned.json("token", "add", "billing", "--admin", "tom@acme.example", "--scope", "write")
    assert token["generated"].startswith("xt_") and (token["owner"], token["scope"]) == ("tom@acme.example", "write")
    assert token["generated"] not in owned.done("token", "list")
    owned.done("admin", "set", "tom@acme.example", "role=domain-admin", "domains=local.example", "status=disabled")
    (shown,) = owned.json("admin", "list")
    assert (shown["domains"], shown["status"]) == (["local.example"], "disabled")
    assert "write it as role=ROLE" in owned.refused("admin", "set", "tom@acme.example", "password=x")
    owned.done("admin", "remove", "tom@acme.example", "--yes")
    assert owned.json("token", "list") == []


def test_a_token_is_revoked_by_its_id(owned: Office) -> None:
    token = owned.json("token", "add", "watcher", "--domain", "local.example", "--expires", "+90d")
    assert (token["role"], token["domains"], token["owner"]) == ("domain-admin", ["local.example"], "")
    owned.done("token", "revoke", token["id"])
    assert f"token {token['id']} does not exist" in owned.refused("token", "revoke", token["id"])


def test_each_change_says_who_made_it_and_how(owned: Office) -> None:
    owned.done("user", "set", "ann@local.example", "quota=7MiB")
    newest = owned.json("audit", "list", "--object", "ANN@local.example", "--limit", "1")
    (row,) = newest
    assert (row["what"], row["how"], row["actor"]) == ("user set", "command line", getpass.getuser())
    assert (row["domain"], row["tenant"]) == ("local.example", "acme")
    assert (row["before"], row["after"]) == ({"quota": 0}, {"quota": 7 << 20})
    assert "quota: 0 -> 7340032" in owned.done("audit", "list", "--domain", "local.example")
    assert owned.json("audit", "list", "--actor", "nobody") == []


def test_the_log_is_verified_and_a_broken_row_is_named(owned: Office) -> None:
    found = owned.json("audit", "verify")
    assert found["whole"] and found["head"].startswith(f"{found['rows']}:")
    owned.done("user", "set", "ann@local.example", "quota=7MiB")
    assert owned.json("audit", "verify", "--head", found["head"])["rows"] == found["rows"] + 1
    assert "NUMBER:SEAL" in owned.refused("audit", "verify", "--head", "7")
    with owned.engine() as engine:
        engine.transact(keys.AUDIT, lambda txn: txn.delete(PERMANENT, audit_keys.row(3))).result()
    broken = owned.run("audit", "verify", "--json")
    assert broken.exit_code == 1 and json.loads(broken.stdout)["broken"] == 3
    spoken = owned.run("audit", "verify")
    assert spoken.exit_code == 1 and "broken at row 3: row 3 is missing" in spoken.stdout


def test_times_in_the_log_of_changes_are_told_as_times(owned: Office) -> None:
    owned.done("token", "add", "billing", "--expires", "2999-12-31T00:00")
    assert "expires: 2999-12-31T00:00:00Z" in owned.done("audit", "list", "--limit", "1")


def test_rows_that_are_cut_off_the_end_are_found_and_accepted_by_a_person(owned: Office) -> None:
    before = int(owned.json("audit", "verify")["rows"])
    with owned.engine() as engine:
        engine.transact(keys.AUDIT, cut).result()
    owned.json("status")
    broken = owned.run("audit", "verify")
    assert broken.exit_code == 1
    assert f"rows 2 to {before} are missing at the end" in broken.stdout and "xtramail audit accept" in broken.stdout
    told = owned.json("audit", "accept")["accepted"]
    assert told == f"rows 2 to {before} are missing at the end"
    found = owned.json("audit", "verify")
    assert (found["whole"], found["rows"]) == (True, 2)
    row = owned.json("audit", "list")[0]
    assert (row["what"], row["after"]["accepted"]) == ("audit accept", told)
    assert "nothing to accept" in owned.done("audit", "accept")


def cut(txn: Txn) -> None:
    """All but the first row, and no seal is broken."""
    first = txn.get(PERMANENT, audit_keys.row(1))
    assert first is not None
    txn.delete_range(PERMANENT, audit_keys.row(2), keys.after(audit_keys.ROWS))
    txn.put(PERMANENT, audit_keys.HEAD, audit_keys.row(1) + first[: audit.SEAL])
