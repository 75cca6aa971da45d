from __future__ import annotations

import pytest

from xtramail.directory.domain_settings import regular
from xtramail.directory.domains import parse_change
from xtramail.directory.imap_access import access_of
from xtramail.model.errors import BadInput
from xtramail.store.records import DomainRow

SET = {"primary-imap": "mail.example.org", "primary-imap-secret": "hush"}


def domain(**settings: str) -> DomainRow:
    named = {name.replace("_", "-"): value for name, value in settings.items()}
    return DomainRow(
        name="example.org", retention_class=1, retention_days=30, primary_ca="/etc/ca.pem", settings=SET | named
    )


def test_the_usual_is_tls_on_993_and_the_users_own_address() -> None:
    access = access_of(domain())
    assert access is not None
    assert (access.host, access.port, access.starttls, access.mechanism) == ("mail.example.org", 993, False, "password")
    assert access.login_of("ann@example.org") == "ann@example.org"
    assert access.ca == "/etc/ca.pem", "the same authorities as for its SMTP"
    assert "hush" not in repr(access) and access.secret.reveal() == "hush"


@pytest.mark.parametrize(
    "text, port, starttls",
    [("mail.example.org:143", 143, True), ("mail.example.org:10993", 10_993, False), ("[2001:db8::1]", 993, False)],
)
def test_port_143_means_starttls_and_every_other_tls(text: str, port: int, starttls: bool) -> None:
    access = access_of(domain(primary_imap=text))
    assert access is not None
    assert (access.port, access.starttls) == (port, starttls)


@pytest.mark.parametrize("missing", SET)
def test_without_host_or_secret_there_is_no_access(missing: str) -> None:
    assert access_of(domain(**{missing: ""})) is None


@pytest.mark.parametrize(
    "login, expected",
    [
        ("{address}*admin", "ann@example.org*admin"),
        ("{local}", "ann"),
        ("EXAMPLE\\{local}", "EXAMPLE\\ann"),
        ("service@{domain}", "service@example.org"),
    ],
)
def test_a_login_is_filled_in(login: str, expected: str) -> None:
    access = access_of(domain(primary_imap_login=regular("primary-imap-login", login)))
    assert access is not None and access.login_of("ann@example.org") == expected


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("primary-imap", "mail example", "write it as mail.example.org"),
        ("primary-imap", "mail.example.org:0", "the port is a number"),
        ("primary-imap-login", "{user}", "the places in it are {address}, {local}, {domain}"),
        ("primary-imap-login", "a\r\nb", "one line"),
        ("primary-imap-auth", "ntlm", "choose one of password, plain, xoauth2"),
        ("sent-back", "sometimes", "choose one of always, outage, never"),
        ("sent-back-by", "pigeon", "choose one of smtp, imap"),
    ],
)
def test_mistakes_name_the_setting_and_its_rule(key: str, value: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_change(key, value)
    assert words in caught.value.text and caught.value.text.startswith(f"{key} ")
