"""Where the files of one installation lie, as its settings say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xtramail.app.settings import Settings


@dataclass(frozen=True, slots=True)
class Paths:
    """``store`` holds LMDB's files; ``certificates`` and ``keys`` lie in it unless the settings say otherwise."""

    store: Path
    certificates: Path
    keys: Path
    """File of the keys that pepper passwords."""
    config: Path | None

    @classmethod
    def of(cls, settings: Settings, config: Path | None) -> Paths:
        store = settings.store.path
        return cls(
            store=store,
            certificates=settings.certificate_folder,
            keys=settings.login.keys or store / "passwords.key",
            config=config,
        )
