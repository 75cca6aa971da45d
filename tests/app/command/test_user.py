"""Users, from the command line."""

from __future__ import annotations

import pytest

from tests.app.command.office import Office
from xtramail.directory import passwords
from xtramail.directory.keyring import load_keyring
from xtramail.model.secret import Secret

NEW = "new@local.example"
ANN = "ann@local.example"


def verifies(office: Office, address: str, password: str) -> bool:
    keyring = load_keyring(office.folder / "keys" / "passwords.key")
    return passwords.verify(Secret(password), office.account(address).password, keyring)


def test_a_generated_password_is_shown_once_and_verifies(office: Office) -> None:
    added = office.json("user", "add", NEW, "--generate")
    assert (added["address"], added["type"], added["status"], added["password"]) == (NEW, "user", "active", "set")
    assert verifies(office, NEW, added["generated"])
    assert "generated" not in office.json("user", "show", NEW)


def test_a_password_is_read_from_standard_input_to_the_end_of_its_line(office: Office) -> None:
    added = office.json("user", "add", NEW, "--password-stdin", input=" grüße, 100% = ok \r\nmore")
    assert "generated" not in added
    assert verifies(office, NEW, " grüße, 100% = ok ")


def test_the_cost_of_a_hash_follows_the_settings(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRAMAIL_LOGIN_BCRYPT_COST", "5")
    office.done("user", "add", NEW, "--password-stdin", input="correct horse\n")
    assert "$2b$05$" in office.account(NEW).password


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (b"", "password: give it as one line on standard input"),
        (b"\n", "password: give it as one line on standard input"),
        (b"short\n", "password: at least 8 characters"),
        (b"\xff\xfe binary\n", "password: not UTF-8 text"),
        (b"with\0nul byte\n", "password: no control characters"),
        (b"x" * 5_000_000, "password: longer than 1024 octets"),
    ],
)
def test_a_password_that_no_client_could_send_is_refused(office: Office, typed: bytes, reason: str) -> None:
    assert reason in office.refused("user", "add", NEW, "--password-stdin", input=typed)
    assert "does not exist" in office.refused("user", "show", NEW)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["add", "nobody", "--generate"], "address 'nobody': write it as name@example.org"),
        (["add", "a b@local.example", "--generate"], "the part before @ has characters that need quotes"),
        (["add", "a@gone.example", "--generate"], "domain gone.example is not served here"),
        (["add", ANN, "--generate"], "user ann@local.example exists already; change it with: xtramail user set"),
        (["add", f"{'x' * 65}@local.example", "--generate"], "the part before @ has at most 64 octets"),
        (["add", NEW, "--generate", "--quota", "lots"], "quota 'lots': must be a size such as"),
        (["add", NEW, "--generate", "--quota", "-1"], "quota '-1': must be a size"),
        (["passwd", NEW, "--generate"], "user new@local.example does not exist; see: xtramail user list"),
        (["set", ANN, "quota"], "write it as quota=SIZE, status=active|disabled, type=user|list|discovered, hide="),
        (["set", ANN, "name=x"], "write it as quota=SIZE"),
        (["set", ANN, "hide=IDLE,MOOVE"], "hide: MOOVE: no capability that can be hidden"),
        (["set", ANN, "quota=5000000TiB"], "quota '5000000TiB': must be at most 1024TiB"),
        (["set", ANN, "status=asleep"], "status 'asleep': choose one of active, disabled"),
        (["set", ANN, "type=robot"], "type 'robot': choose one of user, list, discovered"),
        (["set", NEW, "quota=1GiB"], "user new@local.example does not exist"),
        (["show", NEW], "user new@local.example does not exist; see: xtramail user list"),
        (["remove", NEW], "user new@local.example does not exist"),
        (["list", NEW], "user new@local.example does not exist"),
        (["list", "--domain", "gone.example"], "domain gone.example is not served here"),
    ],
)
def test_a_refusal_names_the_field_the_rule_and_the_next_step(office: Office, words: list[str], reason: str) -> None:
    before = office.json("user", "list")
    assert reason in office.refused("user", *words)
    assert office.json("user", "list") == before


def test_what_is_wrong_is_told_before_a_password_is_asked_for(office: Office) -> None:
    result = office.run("user", "add", ANN.replace("local", "gone"), "--password-stdin", input="")
    assert "is not served here" in result.stderr


def test_set_changes_all_or_nothing(office: Office) -> None:
    before = office.json("user", "show", ANN)
    assert "asleep" in office.refused("user", "set", ANN, "quota=1GiB", "status=asleep")
    assert office.json("user", "show", ANN) == before
    changed = office.json("user", "set", ANN.upper(), "quota=1GiB", "status=disabled")
    assert (changed["quota"], changed["status"]) == (1 << 30, "disabled")


def test_passwd_replaces_the_password(office: Office) -> None:
    office.done("user", "passwd", ANN, "--password-stdin", input="the old one\n")
    fresh = office.json("user", "passwd", ANN, "--generate")["generated"]
    assert verifies(office, ANN, fresh) and not verifies(office, ANN, "the old one")


def test_a_discovered_user_becomes_a_real_one_and_keeps_its_mailboxes(office: Office) -> None:
    office.done("user", "add", "found@relay.example", "--type", "discovered")
    office.receive("found@relay.example")
    assert office.json("user", "show", "found@relay.example")["password"] == ""
    office.done("user", "add", "found@relay.example", "--generate")
    shown = office.json("user", "show", "found@relay.example")
    assert (shown["type"], shown["password"]) == ("user", "set") and shown["used"] > 0


def test_list_shows_all_one_domain_or_one_user(office: Office) -> None:
    everybody = [one["address"] for one in office.json("user", "list")]
    assert everybody == ["ann@local.example", "bob@local.example", "ray@relay.example", "staff@relay.example"]
    assert len(office.json("user", "list", "--domain", "LOCAL.example")) == 2
    assert [one["address"] for one in office.json("user", "list", ANN)] == [ANN]
    lines = office.done("user", "list").splitlines()
    assert lines[0].split("\t") == ["address", "type", "status", "password", "quota"]
    assert len(lines) == 5


def test_show_says_how_much_the_mailboxes_hold(office: Office) -> None:
    office.receive(ANN)
    assert office.json("user", "show", ANN)["used"] > 100
    assert "none" in office.done("user", "show", ANN)


def test_keys_that_are_missing_or_damaged_are_told_with_the_remedy(office: Office) -> None:
    keys = office.folder / "keys" / "passwords.key"
    content = keys.read_text()
    name, key = content.split()[:2]
    keys.write_text(content.replace(f"{name} {key}", f"{name} {key[::-1]}"))
    assert "line 1: the key does not belong to its id" in office.refused("user", "passwd", ANN, "--generate")
    keys.unlink()
    reason = office.refused("user", "passwd", ANN, "--generate")
    assert f"the password keys {keys} are missing: restore that file from a backup" in reason


def test_a_remove_takes_the_user_away_and_its_name_can_be_given_again(office: Office) -> None:
    assert office.json("user", "remove", ANN) == {"removed": ANN}
    assert office.json("user", "add", ANN, "--generate")["address"] == ANN


def test_capabilities_are_hidden_from_a_user_and_shown_again(office: Office) -> None:
    changed = office.json("user", "set", ANN, "hide=move, idle")
    assert changed["hidden-capabilities"] == "IDLE,MOVE"
    assert office.json("user", "set", ANN, "quota=1GiB")["hidden-capabilities"] == "IDLE,MOVE"
    assert office.json("user", "set", ANN, "hide=")["hidden-capabilities"] == ""


def test_a_limit_of_his_own_is_set_and_taken_back(office: Office) -> None:
    ann = "ann@local.example"
    office.done("user", "set", ann, "message-size=2MiB")
    found = {one["name"]: one for one in office.json("config", "effective", ann)}
    assert (found["message-size"]["value"], found["message-size"]["source"]) == (str(2 << 20), "user")
    assert found["limits.message-size"]["source"] == "user"
    office.done("user", "set", ann, "message-size=")
    found = {one["name"]: one for one in office.json("config", "effective", ann)}
    assert (found["message-size"]["value"], found["message-size"]["source"]) == ("", "default")
    assert "at least 1KiB" in office.refused("user", "set", ann, "message-size=5")
    assert "size such as" in office.refused("user", "set", ann, "message-size=big")
