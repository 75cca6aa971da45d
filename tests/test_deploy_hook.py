"""certs/deploy-hook.sh as certbot, lego, acme.sh and a person call it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.source_tree import ROOT
from xtramail.app.authority import issue
from xtramail.net.certificate_store import CertificateStore

NOW = time.time()
HOOK = ROOT / "certs" / "deploy-hook.sh"


def call(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "XTRAMAIL_CERTIFICATES": str(folder), "XTRAMAIL_SERVICE": ""}
    return subprocess.run(
        [str(HOOK), *arguments], env=environment | variables, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


def assert_served(folder: Path, name: str) -> None:
    store = CertificateStore(folder)
    assert store.reload(NOW) == ()
    assert [identity.name for identity in store.identities] == [name]
    assert (folder / f"{name}.key").stat().st_mode & 0o777 == 0o600
    assert (folder / f"{name}.crt").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_certbots_lineage_is_installed(tmp_path: Path, served: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["mail.example.org"], now=NOW)
    lineage = tmp_path / "live" / "mail.example.org"
    lineage.mkdir(parents=True)
    (lineage / "fullchain.pem").symlink_to(certificate)
    (lineage / "privkey.pem").symlink_to(key)
    done = call(served, RENEWED_LINEAGE=str(lineage), RENEWED_DOMAINS="mail.example.org")
    assert done.returncode == 0, done.stderr
    assert_served(served, "mail.example.org")
    assert not (served / "mail.example.org.key").is_symlink()


def test_legos_files_are_installed_and_a_wildcard_gets_a_file_name(tmp_path: Path, served: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["*.example.org"], now=NOW)
    done = call(
        served, LEGO_CERT_DOMAIN="*.example.org", LEGO_CERT_PATH=str(certificate), LEGO_CERT_KEY_PATH=str(key)
    )
    assert done.returncode == 0, done.stderr
    assert_served(served, "_wildcard.example.org")


def test_acme_shs_files_are_installed(tmp_path: Path, served: Path) -> None:
    certificate, key = issue(tmp_path / "made", ["mail.example.org"], now=NOW)
    done = call(
        served, Le_Domain="mail.example.org", CERT_FULLCHAIN_PATH=str(certificate), CERT_KEY_PATH=str(key)
    )
    assert done.returncode == 0, done.stderr
    assert_served(served, "mail.example.org")


def test_a_pair_given_by_hand_replaces_the_old_one(tmp_path: Path, served: Path) -> None:
    for _round in range(2):
        certificate, key = issue(tmp_path / "made", ["mail.example.org"], now=NOW)
        assert call(served, "mail.example.org", str(certificate), str(key)).returncode == 0
    assert_served(served, "mail.example.org")
    assert (served / "mail.example.org.crt").read_bytes() == certificate.read_bytes()


def test_a_pair_that_does_not_match_is_refused_and_nothing_is_touched(tmp_path: Path, served: Path) -> None:
    certificate, _key = issue(tmp_path / "a", ["mail.example.org"], now=NOW)
    _certificate, key = issue(tmp_path / "b", ["mail.example.org"], now=NOW)
    done = call(served, "mail.example.org", str(certificate), str(key))
    assert done.returncode == 1
    assert "does not belong to" in done.stderr
    assert list(served.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", ".hidden", ""])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, served: Path, name: str) -> None:
    certificate, key = issue(tmp_path / "made", ["mail.example.org"], now=NOW)
    done = call(served, name, str(certificate), str(key))
    assert done.returncode == 1
    assert "is no name for a certificate" in done.stderr


def test_called_by_nobody_it_says_how_to_call_it(served: Path) -> None:
    done = call(served)
    assert done.returncode == 1
    assert "usage: deploy-hook.sh NAME FULLCHAIN KEY" in done.stderr
