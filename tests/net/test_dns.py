"""What DNS says of a domain's mail, and what it does not say."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns, error

from xtramail.delivery.routing import NameServiceDown, NoMailHost
from xtramail.net.dns import MailHostLookup, TextLookup


class Resolver:
    """``lookupMailExchange`` as told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def lookupMailExchange(self, domain: str, timeout: tuple[int, ...]) -> Deferred[Any]:
        return self.lookupText(domain, timeout)

    def lookupText(self, name: str, timeout: tuple[int, ...]) -> Deferred[Any]:
        if isinstance(self.answer, Exception):
            return fail(self.answer)
        return succeed((self.answer, [], []))


def header(payload: Any) -> dns.RRHeader:
    return dns.RRHeader(name=b"a.example", type=payload.TYPE, payload=payload)


def mx(preference: int, name: str) -> dns.RRHeader:
    return header(dns.Record_MX(preference, name))


def look(answer: Any) -> list[tuple[int, str]]:
    return MailHostLookup(Resolver(answer)).mail_hosts("a.example").result()


def test_hosts_come_with_their_preference() -> None:
    alias = header(dns.Record_CNAME("real.example"))
    assert look([alias, mx(20, "b.example"), mx(10, "a.example")]) == [(20, "b.example"), (10, "a.example")]


def test_without_mx_the_domain_is_its_own_host() -> None:
    assert look([]) == [(0, "a.example")]
    assert look([header(dns.Record_CNAME("real.example"))]) == [(0, "a.example")]


def test_a_null_mx_takes_no_mail_and_one_beside_others_counts_for_nothing() -> None:
    with pytest.raises(NoMailHost, match="null MX"):
        look([mx(0, "")])
    assert look([mx(0, ""), mx(5, "a.example")]) == [(5, "a.example")]


def test_a_domain_that_does_not_exist_takes_no_mail() -> None:
    with pytest.raises(NoMailHost, match="does not exist"):
        look(error.DNSNameError("no"))


@pytest.mark.parametrize(
    "trouble",
    [error.DNSServerError("x"), error.DNSQueryRefusedError("x"), error.ResolverError("x"), TimeoutError(), OSError()],
)
def test_every_other_trouble_is_temporary(trouble: Exception) -> None:
    with pytest.raises(NameServiceDown):
        look(trouble)


def test_a_resolver_that_raises_at_once_is_trouble_too() -> None:
    class Broken:
        def lookupMailExchange(self, domain: str, timeout: tuple[int, ...]) -> Deferred[Any]:
            raise ValueError("label too long")

    with pytest.raises(NameServiceDown, match="a.example"):
        MailHostLookup(Broken()).mail_hosts("a.example").result()


def texts(answer: Any) -> list[str]:
    return TextLookup(Resolver(answer)).texts("s1._domainkey.a.example").result()


def test_the_strings_of_a_text_are_joined_without_anything_between() -> None:
    records = [header(dns.Record_CNAME("real.example")), header(dns.Record_TXT(b"v=DKIM1; p=AA", b"BB"))]
    assert texts([*records, header(dns.Record_TXT(b"other"))]) == ["v=DKIM1; p=AABB", "other"]


def test_a_name_that_is_not_there_has_no_texts() -> None:
    assert texts(error.DNSNameError("no")) == []


def test_a_name_server_that_fails_says_nothing_of_texts() -> None:
    with pytest.raises(NameServiceDown, match="s1._domainkey.a.example"):
        texts(error.DNSServerError("no"))
