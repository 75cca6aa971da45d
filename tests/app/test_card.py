"""What a card says: true ports, nothing from elsewhere, no password."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from msgspec.structs import replace as changed

from tests.delivery.world import World
from xtramail.app.card import Card, card, card_html, card_text, down_words
from xtramail.app.settings import Listen, Server, Settings
from xtramail.store.records import DomainRow

SETTINGS = Settings(server=Server(hostname=("mx.provider.example", "mail.relay.example")))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def domain(world: World, **settings: str) -> DomainRow:
    row = world.directory.domain("relay.example")
    assert row is not None
    return changed(row, settings=settings)


def made(world: World, settings: Settings = SETTINGS, **own: str) -> Card:
    return card(settings, domain(world, **own), world.ray)


class Parts(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_card_names_the_doors_that_are_open_and_the_host_in_the_users_own_domain(world: World) -> None:
    one = made(world, **{"card-contact": "the help desk, +49 30 1234"})
    assert one.reading is not None and one.sending is not None
    assert (one.reading.host, one.reading.port, one.reading.security) == ("mail.relay.example", 993, "SSL/TLS")
    assert (one.sending.port, one.sending.security) == (465, "SSL/TLS")
    text = card_text(one)
    assert "Choose IMAP, not Exchange" in text and "User name: ray@relay.example" in text
    assert "Questions: the help desk, +49 30 1234" in text and "Drafts stay here" in text
    closed = replace(SETTINGS, listen=Listen(imaps=(), submissions=("unix:/run/x",), submission=("tcp:2587",)))
    other = made(world, closed)
    assert other.reading is not None and other.sending is not None
    assert (other.reading.service, other.sending.port, other.sending.security) == ("pop3s", 2587, "STARTTLS")
    assert "Choose POP3, not Exchange" in card_text(other) and "Incoming mail (POP3)" in card_text(other)


def test_a_card_says_what_becomes_of_sent_mail(world: World) -> None:
    assert "comes to your usual mailbox as mail" in card_text(made(world))
    assert "filed in Sent of your usual mailbox" in card_text(made(world, **{"sent-back-by": "imap"}))
    assert "Sent here only" in card_text(made(world, **{"sent-back": "never"}))
    assert "does not come back there" in card_text(made(world))
    assert "does not come back there" not in card_text(made(world, **{"give-back-deleted": "on"}))


def test_the_page_loads_nothing_and_shows_text_as_text(world: World) -> None:
    page = card_html(made(world, **{"card-contact": "<script>alert(1)</script> & co"}))
    parts = Parts(page)
    assert not {"script", "img", "link", "iframe", "a", "form"} & set(parts.tags)
    assert not {"src", "href", "onload", "action"} & set(parts.attributes)
    assert "url(" not in page and "@import" not in page and "http:" not in page and "https:" not in page
    assert "<script>alert(1)</script> & co" in parts.text and "ray@relay.example" in parts.text


def test_the_mail_of_a_card_says_why_it_comes(world: World) -> None:
    words = down_words(SETTINGS, domain(world), world.ray, world.clock.now())
    assert words.subject == "Mail of relay.example is away: read and write here"
    assert words.text.startswith("The mail server of relay.example has not answered since 2026-01-01")
    assert "mail.relay.example" in words.text
