"""A small installation with everything that a backup takes."""

from __future__ import annotations

from pathlib import Path

from tests.store.filled import fill
from xtramail.app.paths import Paths
from xtramail.store.lmdb_engine import LmdbEngine


def paths_in(folder: Path) -> Paths:
    return Paths(
        store=folder / "store",
        certificates=folder / "certs",
        keys=folder / "keys" / "passwords.key",
        config=folder / "xtramail.toml",
    )


def install(folder: Path) -> Paths:
    """Store with mail, settings, keys, certificates; some of them symbolic links, as certbot makes them."""
    paths = paths_in(folder)
    for place in (paths.keys.parent, paths.certificates / "live" / "mail.example.org", folder / "archive"):
        place.mkdir(parents=True)
    (folder / "xtramail.toml").write_text('[server]\nhostname = ["mail.example.org"]\n')
    paths.keys.write_text("key of passwords\n")
    (paths.certificates / "example.org.crt").write_text("certificate")
    (paths.certificates / "example.org.key").write_text("private key")
    (folder / "archive" / "fullchain1.pem").write_text("chain")
    link = paths.certificates / "live" / "mail.example.org" / "fullchain.pem"
    link.symlink_to(folder / "archive" / "fullchain1.pem")
    engine = LmdbEngine(paths.store, create=True)
    fill(engine)
    engine.close()
    return paths
