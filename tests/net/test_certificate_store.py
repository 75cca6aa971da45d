"""Which certificate answers to a name, and what happens when files change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.net.descriptors import no_descriptors
from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore
from xtramail.net.certificates import CertificateFault

NOW = time.time()
DAY = 86_400.0


def store_of(folder: Path, default_name: str = "") -> CertificateStore:
    store = CertificateStore(folder, default_name=default_name)
    assert store.reload(NOW) == ()
    return store


def test_a_name_is_served_exactly_then_by_wildcard_then_by_default(tmp_path: Path) -> None:
    issue(tmp_path, ["first.example"], now=NOW)
    issue(tmp_path, ["*.example.org"], now=NOW)
    issue(tmp_path, ["imap.example.org"], now=NOW)
    store = store_of(tmp_path, "first.example")
    found = {
        name: identity.name if (identity := store.for_host(name)) else None
        for name in ("imap.example.org", "IMAP.Example.ORG.", "smtp.example.org", "a.b.example.org", "org", "::1")
    }
    assert found == {
        "imap.example.org": "imap.example.org",
        "IMAP.Example.ORG.": "imap.example.org",
        "smtp.example.org": "_wildcard.example.org",
        "a.b.example.org": None,
        "org": None,
        "::1": None,
    }
    assert store.default().name == "first.example"


def test_a_pair_called_default_is_the_default(tmp_path: Path) -> None:
    certificate, key = issue(tmp_path, ["a.example"], now=NOW)
    issue(tmp_path, ["b.example"], now=NOW)
    certificate.rename(tmp_path / "default.crt")
    key.rename(tmp_path / "default.key")
    assert store_of(tmp_path, "b.example").default().names == ("a.example",)


def test_an_empty_folder_has_nothing_to_serve(tmp_path: Path) -> None:
    store = store_of(tmp_path / "missing")
    with pytest.raises(CertificateFault, match="has no certificate to serve"):
        store.default()


def test_of_two_for_one_host_the_longer_lasting_is_served(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example", "both.example"], now=NOW, days=90)
    issue(tmp_path, ["b.example", "both.example"], now=NOW, days=30)
    found = store_of(tmp_path).for_host("both.example")
    assert found is not None
    assert found.name == "a.example"


def test_a_change_is_seen_and_a_second_look_sees_none(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    store = store_of(tmp_path)
    assert not store.changed()
    issue(tmp_path, ["a.example"], now=NOW)
    assert store.changed()
    before = store.default()
    store.reload(NOW)
    assert not store.changed()
    assert store.default() is not before


def test_a_bad_new_file_keeps_the_old_certificate_and_says_why(tmp_path: Path) -> None:
    certificate, _key = issue(tmp_path, ["a.example"], now=NOW)
    issue(tmp_path, ["b.example"], now=NOW)
    store = store_of(tmp_path)
    old = store.for_host("a.example")
    certificate.write_text("oops")
    (fault,) = store.reload(NOW)
    assert fault.file == certificate
    assert "holds no PEM certificate" in fault.reason
    assert fault.served.startswith("served meanwhile: the one until")
    assert store.for_host("a.example") is old
    assert store.for_host("b.example") is not None
    assert store.faults == (fault,)


def test_a_new_file_that_is_bad_from_the_start_leaves_the_others(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    (tmp_path / "b.example.crt").write_text("oops")
    store = CertificateStore(tmp_path)
    (fault,) = store.reload(NOW)
    assert fault.served == "nothing is served for it"
    assert store.for_host("a.example") is not None


def test_an_expired_new_certificate_does_not_replace_a_good_one(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    store = store_of(tmp_path)
    old = store.default()
    issue(tmp_path, ["a.example"], now=NOW - 100 * DAY, days=10)
    (fault,) = store.reload(NOW)
    assert "expired on" in fault.reason
    assert store.default() is old


def test_an_expired_certificate_is_served_rather_than_none(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW - 100 * DAY, days=10)
    store = CertificateStore(tmp_path)
    (fault,) = store.reload(NOW)
    assert "expired on" in fault.reason
    assert store.default().name == "a.example"


def test_an_emptied_folder_keeps_what_was_served(tmp_path: Path) -> None:
    pair = issue(tmp_path, ["a.example"], now=NOW)
    store = store_of(tmp_path)
    for path in pair:
        os.unlink(path)
    (fault,) = store.reload(NOW)
    assert "has no certificate any more" in fault.reason
    assert store.default().name == "a.example"


def test_a_removed_pair_is_served_no_longer(tmp_path: Path) -> None:
    issue(tmp_path, ["a.example"], now=NOW)
    pair = issue(tmp_path, ["b.example"], now=NOW)
    store = store_of(tmp_path)
    for path in pair:
        os.unlink(path)
    store.reload(NOW)
    assert store.for_host("b.example") is None


def test_while_no_file_can_be_opened_the_old_ones_are_served_and_it_is_looked_again(tmp_path: Path) -> None:
    issue(tmp_path, ["mail.example.org"], now=NOW)
    store = store_of(tmp_path)
    before = store.identities
    issue(tmp_path, ["imap.example.org"], now=NOW)
    with no_descriptors():
        assert store.changed()
        (fault,) = store.reload(NOW)
        assert store.changed()
    assert (fault.file, fault.reason) == (tmp_path, f"{tmp_path}: cannot be read: Too many open files")
    assert store.identities == before
    assert store.changed(), "although no file is another one"
    assert store.reload(NOW) == ()
    assert sorted(identity.name for identity in store.identities) == ["imap.example.org", "mail.example.org"]
    assert not store.changed()
