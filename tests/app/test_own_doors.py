"""Which next hops are this very server."""

from __future__ import annotations

import pytest

from xtramail.app.own_doors import refuse_own_doors
from xtramail.app.settings import Listen, Server, Settings
from xtramail.model.errors import BadInput


def settings(*smtp: str, **more: tuple[str, ...]) -> Settings:
    return Settings(
        server=Server(hostname=("mail.example.org", "mx.example.org")),
        listen=Listen(smtp=smtp, submission=(), submissions=(), **more),
    )


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("tcp6:25", "localhost", 25),
        ("tcp6:25", "127.0.0.1", 25),
        ("tcp:25", "127.5.5.5", 25),
        ("tcp6:25", "::1", 25),
        ("tcp6:2525", "MX.example.org.", 2525),
        ("tcp:25:interface=0.0.0.0", "mail.example.org", 25),
        ("tcp:25:interface=127.0.0.1", "127.0.0.1", 25),
        ("tcp:25:interface=127.0.0.1", "localhost", 25),
        ("tcp:25:interface=192.0.2.7", "192.0.2.7", 25),
        ("tcp6:25:interface=\\:\\:1", "::1", 25),
        ("systemd:domain=INET6:name=smtp", "mail.example.org", 25),
    ],
)
def test_our_own_door_is_refused_with_the_rule_and_the_next_step(endpoint: str, host: str, port: int) -> None:
    with pytest.raises(BadInput, match=r"this server itself listens there \(\[listen\] smtp\).*; name the server that"):
        refuse_own_doors(settings(endpoint), [("other.example", 25), (host, port)])


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("tcp6:25", "localhost", 2525),
        ("tcp6:25", "mail.example.net", 25),
        ("tcp6:25", "203.0.113.77", 25),
        ("tcp:25:interface=192.0.2.7", "127.0.0.1", 25),
        ("tcp:25:interface=192.0.2.7", "192.0.2.8", 25),
        ("tcp:25:interface=127.0.0.1", "mail.example.org", 25),
        ("tcp:25:interface=localhost", "mail.example.org", 25),
        ("tcp:0", "localhost", 25),
        ("unix:/run/smtp", "localhost", 25),
    ],
)
def test_another_server_on_this_machine_or_elsewhere_is_not(endpoint: str, host: str, port: int) -> None:
    refuse_own_doors(settings(endpoint), [(host, port)])


def test_every_door_that_takes_mail_counts() -> None:
    several = settings("tcp6:25", lmtp=("tcp:2424:interface=127.0.0.1",))
    with pytest.raises(BadInput, match="host localhost:2424: .* lmtp"):
        refuse_own_doors(several, [("localhost", 2424)])
