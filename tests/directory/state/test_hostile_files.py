"""Files that are wrong, by accident or by design: refused whole, with line and field, never with a traceback."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.directory.state.office import Office, furnished
from xtramail.directory.state.catalogue import BY_NAME, KINDS
from xtramail.directory.state.csv_files import read_csv
from xtramail.directory.state.document import read_document
from xtramail.directory.state.kind import Kind
from xtramail.model.errors import BadInput

HEAD = '{"format": 1,\n"users": [\n'
DEEP = "[" * 100_000
ANN = HEAD + '{"address": "ann@o.example", '
ROW = '{"address": "ann@o.example"}'


@pytest.fixture(scope="module")
def office() -> Office:
    made = Office()
    made.apply_rows(domains=[{"name": "o.example"}], users=[{"address": "bob@o.example"}])
    return made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: this is no document of xtramail"),
        ("[]", "line 1: this is no document of xtramail"),
        ("{}", "format missing: this program reads format 1"),
        ('{"format": 2}', "format 2: this program reads format 1"),
        ('{"format": "1"}', "line 1: format: not what a document has there"),
        ('{"format": true}', "line 1: format: not what a document has there"),
        ('{"format": 1, "secrets": 1}', "line 1: secrets: not what"),
        ('{"format": 1,\n"people": []}', "line 2: there is no kind 'people'; kinds are tenants, domains"),
        ('{"format": 1,\n"users": {}}', "line 2: users are a list"),
        ('{"format": 1, "users": [],\n\n"users": []}', "line 3: 'users' is there twice"),
        ('{"format": 1} {}', "line 1: there is more behind the end"),
        ('{"format": 1, 2: 3}', "line 1: a name in quotes is missing here"),
        (HEAD + ROW, "line 3: a comma or the closing bracket is missing here; or the file was cut off"),
        (HEAD + ROW + ",", "line 3: not JSON"),
        (HEAD + '{"address": "ann@o.ex', "line 3: not JSON: Unterminated string"),
        (HEAD + ROW + "]", "line 3: a comma or the closing brace is missing"),
        (HEAD + "5]}", "users, line 3: expected an object with fields"),
        (HEAD + "null]}", "users, line 3: expected an object with fields"),
        (HEAD + "{}]}", "users, line 3: address: it is missing"),
        (HEAD + '{"address": ""}]}', "users, line 3: address: it is missing"),
        (HEAD + '{"address": null}]}', "users, line 3: address: expected text, got `null`"),
        (HEAD + '{"address": ["a"]}]}', "users, line 3: address: expected text, got a list"),
        (ANN + '"quota": "5"}]}', "users, line 3: quota: expected a whole number, got text"),
        (ANN + '"quota": 1.5}]}', "users, line 3: quota: expected a whole number"),
        (ANN + '"quota": -1}]}', "users, line 3: quota: -1: octets"),
        (ANN + '"quota": 1e400}]}', "users, line 3: quota: expected a whole number"),
        (ANN + '"quota": 99999999999999999999999}]}', "users, line 3: quota:"),
        (ANN + '"quota": ' + "9" * 5_000 + "}]}", "line 3: a number has too many digits"),
        (ANN + '"quota": NaN}]}', "line 3: NaN is no number of JSON"),
        (ANN + '"quota": -Infinity}]}', "line 3: -Infinity is no number of JSON"),
        (ANN + '"generate": "yes"}]}', "generate: expected true or false, got text"),
        (HEAD + '{"a\\u001b[2Jb\u202e": 1}]}', "users, line 3: a\\x1b[2Jb\\u202e: there is no such field"),
        (ANN + '"id": 7}]}', "users, line 3: id: there is no such field; users have"),
        (ANN + '"address": "b@o.example"}]}', "line 3: the field 'address' is there twice"),
        (HEAD + f"{ROW},\n\n{ROW}]}}", "users, line 5: address: ann@o.example is there already, on line 3"),
        (HEAD + f'{ROW},\n{{"address": "ANN@O.Example"}}]}}', "users, line 4: address: ann@o.example is there already"),
        (HEAD + '{"address": "ann"}]}', "users, line 3: address: address 'ann': write it as name@example.org"),
        (HEAD + '{"address": "ann@-"}]}', "users, line 3: address:"),
        (HEAD + '{"address": "\\u0000@o.example"}]}', "users, line 3: address: control characters"),
        (HEAD + '{"address": "\\ud800@o.example"}]}', "users, line 3: address: control characters, or half"),
        (HEAD + '{"address": "a\x00@o.example"}]}', "line 3: not JSON: Invalid control character"),
        (ANN + '"reason": "' + "x" * 70_000 + '"}]}', "users, line 3: reason: longer than 16"),
        (ANN + '"reason": ' + DEEP, "line 3: lists or objects lie too deep"),
        (ANN + '"reason": ' + "[" * 900 + "]" * 900 + "}]}", "users, line 3: reason: expected"),
        (
            HEAD + '{"address": "ann@elsewhere.example"}]}',
            "users, line 3: address: domain elsewhere.example is not served",
        ),
        (ANN + '"type": "robot"}]}', "type: 'robot': choose one of user, list, discovered"),
        (ANN + '"created": "yesterday"}]}', "created: 'yesterday': write a time in UTC"),
        (ANN + '"created": "2026-13-01T00:00:00Z"}]}', "created: '2026-13-01T00:00:00Z'"),
        (ANN + '"password": "short"}]}', "password: at least 8 characters"),
        (ANN + '"password": "password1"}]}', "password: not one of those that are tried"),
        (ANN + '"password-hash": "x"}]}', "password-hash: no hash of ours"),
        (ANN + '"password-hash": "$2b$16$' + "a" * 53 + '"}]}', "password-hash: its cost is 16"),
        (ANN + '"password-hash": "$2b$10$"}]}', "password-hash: no hash of bcrypt"),
        (ANN + '"outside-address": "a@o.example"}]}', "outside-address: a@o.example: its"),
        (HEAD + '{"address": "' + "x" * 65 + '@o.example"}]}', "address: xxxxx"),
    ],
)
def test_a_document_is_refused_with_line_and_field(office: Office, text: str, said: str) -> None:
    before = office.export()
    with pytest.raises(BadInput) as error:
        office.apply(text)
    assert said in error.value.text
    assert office.export() == before


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"\x00\x01\x02\xff", "line 1: not UTF-8 text"),
        (b"\xff\xfea\x00", "line 1: this is UTF-16; save the file as UTF-8"),
        (b'{"format": 1,\n"users": [\n{"address": "\xe4nn@o.example"}]}', "line 3: not UTF-8 text"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "line 1: not UTF-8 text"),
    ],
)
@pytest.mark.parametrize(
    "read", [lambda octets: read_document(octets, BY_NAME), lambda o: read_csv(o, BY_NAME["users"])]
)
def test_octets_that_are_no_text_are_refused(octets: bytes, said: str, read: Callable[[bytes], object]) -> None:
    with pytest.raises(BadInput, match=said):
        read(octets)


def csv_said(octets: bytes, kind: str = "users") -> str:
    office = Office()
    office.apply_rows(domains=[{"name": "o.example"}])
    before = office.export()
    with pytest.raises(BadInput) as error:
        office.plan(read_csv(octets, BY_NAME[kind]))
    assert office.export() == before
    return error.value.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the column address is missing; the first line names the columns"),
        ("type\nuser\n", "line 1: the column address is missing"),
        ("address,shoe\nann@o.example,7\n", "line 1: there is no column 'shoe'; columns of users are address, type"),
        ("address,address\nann@o.example,x\n", "line 1: the column address is there twice"),
        ("address,quota\nann@o.example\n", "users, line 2: it has 1 cells, and the header 2"),
        ("address,quota\nann@o.example,5,6\n", "users, line 2: it has 3 cells, and the header 2"),
        ("address,quota\n,5\n", "users, line 2: address: it is missing"),
        ("address,quota\nann@o.example,much\n", "users, line 2: quota: 'much': write a whole number, or a size"),
        ("address,quota\nann@o.example,5PiB\n", "users, line 2: quota: '5PiB'"),
        ("address,quota\nann@o.example,٣\n", "users, line 2: quota: '٣'"),
        ("address,must-change\nann@o.example,maybe\n", "users, line 2: must-change: 'maybe': write yes or no"),
        ("address,reason\n\nann@o.example,=cmd|' /C calc'!A0\n", "users, line 3: reason: a spreadsheet takes this for"),
        ("address,reason\nann@o.example,+1\n", "users, line 2: reason: a spreadsheet"),
        ("address,reason\nann@o.example,-1\n", "users, line 2: reason: a spreadsheet"),
        ("address,reason\nann@o.example,@SUM(A1)\n", "users, line 2: reason: a spreadsheet"),
        ("address,reason\nann@o.example, =1\n", "users, line 2: reason: a spreadsheet"),
        ("address,reason\nann@o.example,＝1\n", "users, line 2: reason: a spreadsheet"),
        ("=address\nann@o.example\n", "line 1: there is no column '=address'"),
        ('address,password\nann@o.example,"\t=1abcdefgh"\n', "users, line 2: password: a spreadsheet"),
        ('address,reason\nann@o.example,"two\nlines"\nbob@o.example,x\n', "users, line 2: reason: control characters"),
        ('address,reason\n"ann@o.example,x\n', "users, line 2: not CSV: unexpected end of data"),
        ('address,reason\nann@o.example,"x"y\n', "users, line 2: not CSV"),
        ("address,reason\nann@o.example,a\x00b\n", "users, line 2: reason: control characters"),
        ("address,reason\nann@o.example," + "x" * 70_000 + "\n", "users, line 2: reason: longer than 16 KiB"),
        ("address,reason\nann@o.example," + "x" * 140_000 + "\n", "users, line 2: not CSV: a cell longer than 16 KiB"),
        (
            'address\n"ann@o.example\n' + "x" * 140_000,
            "users, line 2: not CSV: a cell longer than 16 KiB; is a quote mark",
        ),
        (
            "address\nann@o.example\nANN@o.example\n",
            "users, line 3: address: ann@o.example is there already, on line 2",
        ),
        ("address,quota\rann@o.example,1\rbad,2\r", "not CSV: a carriage return within a line"),
        ("address;quota\r\nann@o.example;1\r\nbad;2\r\n", "users, line 3: address: address 'bad'"),
    ],
)
def test_a_csv_file_is_refused_with_line_and_column(text: str, said: str) -> None:
    assert said in csv_said(text.encode())
    assert said in csv_said(b"\xef\xbb\xbf" + text.encode())


LONG = json.dumps([f"{'t' * 15_000}@x.example"] * 3)
MANY = json.dumps(["t@x.example"] * 20_000)
FIELDS = ", ".join(f'"f{number}": 1' for number in range(600_000))


@pytest.mark.parametrize(
    ("row", "said"),
    [(f'"targets": {LONG}', "line 2: the row"), (f'"targets": {MANY}', "40 KiB"), (FIELDS, "larger than 4 MiB")],
    ids=["long texts", "many texts", "many fields"],
)
def test_an_object_has_an_end(row: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        Office().apply(f'{{"format": 1, "aliases": [\n{{"address": "s@o.example", {row}}}]}}')


@pytest.mark.parametrize(
    "text",
    ["address," * 200_000, "address\n" + "," * 2_000_000, "address\n" + '"a\n",' * 300_000],
    ids=["columns", "cells", "cells on lines of their own"],
)
def test_a_row_of_csv_has_an_end(text: str) -> None:
    assert "a row longer than 1 MiB" in csv_said(text.encode())


def test_an_object_larger_than_most_is_read_whole(office: Office) -> None:
    row = json.dumps(
        {"address": "s@o.example", "targets": [f"{n:03}{'t' * 50}@{'d' * 60}.example" for n in range(100)]}
    )
    plan = office.plan(read_document(('{"format": 1, "aliases": [\n' + " " * 20_000 + row + "]}").encode(), BY_NAME))
    assert plan.counts["aliases"]["add"] == 1
    read = read_document(('{"format": 1, "aliases": [\n' + row * 2).encode(), BY_NAME)
    assert [str(one) for one in read.faults] == [
        "line 2: a comma or the closing bracket is missing here; or the file was cut off"
    ]


def test_every_wrong_row_is_named_at_once() -> None:
    said = csv_said(b"address,quota\nann@o.example,x\nbob@o.example,5\ncy@nowhere.example,7\nnobody,y\n")
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "users, line 2",
        "users, line 5",
        "nothing was changed",
    ]


def test_what_is_told_has_an_end() -> None:
    said = csv_said(b"address\n" + b"nobody\n" * 5_000)
    assert len(said.splitlines()) == 102 and "more" in said.splitlines()[-2]


_TEXTS = furnished().export().encode()
_CSV = {kind.name: furnished().csv(kind.name).encode() for kind in KINDS}


def mutated(octets: bytes, seed: int) -> bytes:
    """Some places of it changed, taken out, doubled, or cut off."""
    chance, text = random.Random(seed), bytearray(octets)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(6):
            case 0:
                text[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del text[at : at + chance.randint(1, 20)]
            case 2:
                text[at:at] = chance.choice(
                    [b'"', b"{", b"]", b",", b"null", b"-1", b"\\u0000", b"\n", b"=", b"[[", b"1e9"]
                )
            case 3:
                end = at + chance.randint(1, 200)
                text[at:at] = text[at:end]
            case 4:
                del text[at:]
            case _:
                words = [b"true", b"0", b'""', b"[]", b"{}", b"1.5", b'"x"', b"\xff"]
                end = text.find(b",", at)
                text[at : end if end > 0 else at] = chance.choice(words)
    return bytes(text)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.integers(0, 2**32))
def test_no_damaged_document_is_a_fault_of_ours(seed: int) -> None:
    octets = mutated(_TEXTS, seed)
    office = Office()
    try:
        plan = office.plan(read_document(octets, BY_NAME))
    except BadInput as error:
        assert error.text
        return
    office.carry_out(plan)
    again = office.export()
    assert office.apply(again).empty


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from(sorted(_CSV)), st.integers(0, 2**32))
def test_no_damaged_csv_file_is_a_fault_of_ours(kind: str, seed: int) -> None:
    octets = mutated(_CSV[kind], seed)
    office = Office()
    office.apply(_TEXTS.decode())
    try:
        plan = office.plan(read_csv(octets, BY_NAME[kind]))
    except BadInput as error:
        assert error.text
        return
    office.carry_out(plan)
    assert office.apply(office.export()).empty


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["ann@office.example", "office.example", "acme", "x" * 300, "=1", "here", "-", "*", "@", "1"])
    | st.sampled_from(["[::1]", "h:99999", "a@b@c", "office.example.", "2026-01-01T00:00:00Z", "\\", "AAAA", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.sampled_from(KINDS), st.data())
def test_no_value_of_any_field_is_a_fault_of_ours(kind: Kind[Any], data: st.DataObject) -> None:
    value = json.loads(_TEXTS)
    row = data.draw(st.sampled_from(value[kind.name]))
    for name in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=2, unique=True)):
        row[name] = data.draw(_VALUES)
    office = Office()
    try:
        plan = office.plan(read_document(json.dumps(value).encode(), BY_NAME))
    except BadInput as error:
        assert error.text
        return
    office.carry_out(plan)
    again = office.export()
    assert office.apply(again).empty
