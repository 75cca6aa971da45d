"""Texts of MTA-STS, good and bad."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xtramail.wire.errors import ProtocolError
from xtramail.wire.mta_sts import MOST_AGE, StsText, matches, policy_id, read_policy

IDS = {
    "usual": (("v=STSv1; id=20160831085700Z;",), "20160831085700Z"),
    "no blanks, no end": (("v=STSv1;id=1",), "1"),
    "blanks round the delimiter": (("v=STSv1 ; id=1 ; ",), "1"),
    "extensions": (("v=STSv1; a=b; id=1; c=d",), "1"),
    "beside others": (("v=spf1 -all", "v=STSv1; id=1;"), "1"),
    "none": ((), None),
    "only others": (("v=spf1 -all", "v=STSv10; id=1"), None),
    "two": (("v=STSv1; id=1;", "v=STSv1; id=2;"), None),
    "version not first": (("id=1; v=STSv1",), None),
    "version in another case": (("v=stsv1; id=1",), None),
    "no id": (("v=STSv1;",), None),
    "empty id": (("v=STSv1; id=;",), None),
    "id with a sign": (("v=STSv1; id=1-2;",), None),
    "id too long": (("v=STSv1; id=" + "1" * 33,), None),
    "a field without a value": (("v=STSv1; what; id=1",), None),
    "blanks at the equals sign": (("v=STSv1; id = 1",), None),
}


@pytest.mark.parametrize("name", IDS)
def test_the_record_announces_an_id_or_nothing(name: str) -> None:
    texts, wanted = IDS[name]
    assert policy_id(texts) == wanted


GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.far.example\r\nmx: *.far.example\r\nmax_age: 604800\r\n"


def test_the_policy_of_the_rfc_is_read() -> None:
    policy = read_policy(GOOD)
    assert policy == StsText(mode="enforce", max_age=604_800, hosts=("mail.far.example", "*.far.example"))


FORMS = {
    "bare LF": GOOD.replace(b"\r\n", b"\n"),
    "no line end at the end": GOOD.rstrip(),
    "empty lines": GOOD.replace(b"mode", b"\r\n\r\nmode"),
    "no blanks": GOOD.replace(b": ", b":"),
    "many blanks": GOOD.replace(b": ", b" :  \t"),
    "unknown fields": GOOD + b"next: thing\r\n",
    "a field again": GOOD + b"mode: none\r\n",
    "capitals and a dot": GOOD.replace(b"mail.far.example", b"Mail.Far.Example."),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_say_the_same(form: str) -> None:
    assert read_policy(FORMS[form]) == read_policy(GOOD)


def test_a_life_of_more_than_a_year_is_a_year() -> None:
    assert read_policy(GOOD.replace(b"604800", b"9999999999")).max_age == MOST_AGE


def test_no_policy_needs_no_hosts() -> None:
    assert read_policy(b"version: STSv1\nmode: none\nmax_age: 0\n") == StsText(mode="none", max_age=0)


BAD = {
    "version": (GOOD.replace(b"STSv1", b"STSv2"), "version"),
    "no version": (GOOD.partition(b"\n")[2], "version"),
    "mode": (GOOD.replace(b"enforce", b"Enforce"), "mode"),
    "no mode": (GOOD.replace(b"mode: enforce\r\n", b""), "mode"),
    "no hosts": (b"version: STSv1\nmode: enforce\nmax_age: 1\n", "no mail host"),
    "no age": (GOOD.partition(b"max_age")[0], "max_age"),
    "age of words": (GOOD.replace(b"604800", b"a week"), "max_age"),
    "negative age": (GOOD.replace(b"604800", b"-1"), "max_age"),
    "digits of another script": (GOOD.replace(b"604800", "٣".encode()), "max_age"),
    "endless age": (GOOD.replace(b"604800", b"1" * 60_000), "max_age"),
    "a host of stars": (GOOD.replace(b"*.far.example", b"*"), "line 4"),
    "two stars": (GOOD.replace(b"*.far.example", b"*.*.example"), "line 4"),
    "a star within": (GOOD.replace(b"*.far.example", b"a*.far.example"), "line 4"),
    "an empty host": (GOOD.replace(b"*.far.example", b""), "line 4"),
    "a page": (b"<html>\n<body>not found</body>", "line 1"),
    "binary": (b"\xff\xfe\x00" * 9, "UTF-8"),
    "nothing": (b"", "version"),
    "too long": (GOOD + b"x: y\n" * 14_000, "longer"),
    "many hosts": (GOOD + b"mx: a.example\n" * 300, "more than"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_policy_that_is_none_is_refused_with_its_fault(name: str) -> None:
    octets, reason = BAD[name]
    with pytest.raises(ProtocolError, match=reason):
        read_policy(octets)


MATCHES = [
    ("mail.far.example", "mail.far.example", True),
    ("*.far.example", "mail.far.example", True),
    ("*.far.example", "a.mail.far.example", False),
    ("*.far.example", "far.example", False),
    ("*.far.example", ".far.example", False),
    ("far.example", "mail.far.example", False),
    ("mail.far.example", "mail.far.example.evil.example", False),
]


@pytest.mark.parametrize(("pattern", "name", "wanted"), MATCHES)
def test_a_star_is_one_label(pattern: str, name: str, wanted: bool) -> None:
    assert matches(pattern, name) is wanted


def test_hosts_are_compared_without_case_and_last_dot() -> None:
    policy = read_policy(GOOD)
    assert policy.allows("MAIL.far.example.") and policy.allows("b.far.example") and not policy.allows("far.example")


@given(st.binary(max_size=300))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_octets_are_more_than_a_refusal(octets: bytes) -> None:
    for tried in (octets, GOOD + octets, octets + GOOD):
        try:
            read_policy(tried)
        except ProtocolError:
            continue
    policy_id((octets.decode("latin-1"), "v=STSv1;" + octets.decode("latin-1")))
