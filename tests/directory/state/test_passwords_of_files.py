"""Passwords in files: given, made, or as hashes of ours and of other servers."""

from __future__ import annotations

import bcrypt
import pytest

from tests.directory.state.office import KEYRING, OTHER, Office
from xtramail.directory import passwords
from xtramail.directory.state.catalogue import BY_NAME
from xtramail.directory.state.csv_files import read_csv
from xtramail.directory.state.plan import BadState
from xtramail.model.errors import BadInput
from xtramail.model.secret import Secret

FOREIGN = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()


@pytest.fixture
def office() -> Office:
    made = Office()
    made.apply_rows(domains=[{"name": "o.example"}], users=[{"address": "bob@o.example"}])
    return made


def test_a_given_password_is_hashed_and_known_again(office: Office) -> None:
    text = "address,password\nann@o.example,correct horse\nbob@o.example,battery staple\n"
    assert office.read("users", text).counts["users"] == {"add": 1, "change": 1, "remove": 0, "unchanged": 0}
    assert office.verifies("ann@o.example", "correct horse")
    before = office.user("ann@o.example")
    assert before.password.startswith(passwords.BCRYPT)
    office.clock.advance(10)
    assert office.read("users", text).empty
    office.read("users", text.replace("correct horse", "another horse"))
    after = office.user("ann@o.example")
    assert office.verifies("ann@o.example", "another horse")
    assert after.password_changed > before.password_changed, "who came by the old one is logged out"


def test_a_password_that_begins_as_a_formula_is_meant_with_a_mark_before_it(office: Office) -> None:
    office.read("users", "address;password\nann@o.example;'=correct horse\nbob@o.example;' =correct horse\n")
    assert office.verifies("ann@o.example", "=correct horse")
    assert office.verifies("bob@o.example", " =correct horse")


def test_a_password_is_made_for_who_has_none_and_once(office: Office) -> None:
    text = "address,generate,password\nann@o.example,yes,\nbob@o.example,no,battery staple\n"
    plan = office.plan(read_csv(text.encode(), BY_NAME["users"]))
    ((address, made),) = office.carry_out(plan)
    assert address == "ann@o.example" and office.verifies(address, made)
    assert office.read("users", text).empty
    assert office.read("users", "address,generate\nbob@o.example,yes\n").empty, "he has one"


@pytest.mark.parametrize("scheme", ["", "{BLF-CRYPT}"])
@pytest.mark.parametrize("version", ["$2a$", "$2b$", "$2y$"])
def test_a_hash_of_another_server_opens_what_it_opened_there(office: Office, scheme: str, version: str) -> None:
    stored = FOREIGN.replace("$2b$", version)
    text = f"address,password-hash\nann@o.example,{scheme}{stored}\n"
    office.read("users", text)
    assert office.user("ann@o.example").password == "{BLF-CRYPT}" + stored
    assert office.verifies("ann@o.example", "correct horse")
    assert not office.verifies("ann@o.example", "battery staple")
    assert office.read("users", text).empty
    assert office.read("users", "address,password\nann@o.example,correct horse\n").empty


def test_a_foreign_hash_is_verified_as_other_servers_do(office: Office) -> None:
    long = "ü" * 50
    stored = "{BLF-CRYPT}" + bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert passwords.verify(Secret(long), stored, KEYRING)
    assert passwords.verify(Secret(long + "more than it looks at"), stored, KEYRING)
    assert not passwords.verify(Secret("x\0y\udcff"), stored, KEYRING)
    for bad in ("{BLF-CRYPT}", "{BLF-CRYPT}$2b$04$short", "{BLF-CRYPT}" + FOREIGN.replace("$04$", "$31$")):
        assert not passwords.verify(Secret("correct horse"), bad, KEYRING)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("$2x$10$" + "a" * 53, "no hash of bcrypt"),
        ("$2b$16$" + "a" * 53, "its cost is 16; one from 4 to 15 can be used"),
        ("$2b$03$" + "a" * 53, "its cost is 3"),
        ("{BLF-CRYPT}secret", "no hash of bcrypt"),
        ("{SSHA}xyz", "no hash of ours"),
        ("secret", "no hash of ours"),
        ("{XTRA-BCRYPT}zz$2b$12$" + "a" * 53, "no hash of ours"),
        ("{XTRA-BCRYPT}" + OTHER.current + "$2b$12$" + "a" * 53, "made with the key"),
        ("{XTRA-HMAC}" + OTHER.current + "$" + "0" * 64, "made with the key"),
        ("{XTRA-BCRYPT}" + KEYRING.current + "$2b$31$" + "a" * 53, "no hash of ours"),
    ],
)
def test_a_hash_that_opens_nothing_or_costs_too_much_is_refused(office: Office, stored: str, said: str) -> None:
    with pytest.raises(BadState) as error:
        office.read("users", f"address,password-hash\nann@o.example,{stored}\n")
    assert f"users, line 2: password-hash: {said}" in error.value.text
    assert stored not in error.value.text, "no hash is told"


@pytest.mark.parametrize("password", ["short", "password123", "ann@o.example", "aaaaaaaaaa"])
def test_given_passwords_keep_to_the_rule(office: Office, password: str) -> None:
    with pytest.raises(BadInput, match="users, line 2: password: ") as error:
        office.read("users", f"address,password\nann@o.example,{password}\n")
    assert password not in error.value.text.replace("ann@o.example is", "")
