"""The certificates that are served: which one answers to a name, and what happens when files change.

Owns the choice by name and the rule that a bad new file keeps the old certificate. What makes a pair good is
``certificates.py``'s, when to look again is ``tls.py``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xtramail.model.host import is_address
from xtramail.net.certificates import (
    CertificateFault,
    Identity,
    check_pair,
    day_text,
    find_pairs,
    time_fault,
)
from xtramail.net.descriptors import require_some

_Seen = tuple[tuple[str, int, int, int], ...]
_UNREAD = "what was read before is served; it is looked at again in half a minute"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file of the folder; ``served`` tells what happens meanwhile."""

    file: Path
    reason: str
    served: str


class CertificateStore:
    """The identities of one folder. A bad new file keeps the old identity of its name; so does one that expired."""

    def __init__(self, folder: Path, *, default_name: str = "") -> None:
        self._folder = folder
        self._default_name = default_name
        self._identities: dict[str, Identity] = {}
        self._by_host: dict[str, Identity] = {}
        self._seen: _Seen | None = None
        self.faults: tuple[Fault, ...] = ()

    @property
    def identities(self) -> tuple[Identity, ...]:
        return tuple(self._identities.values())

    def changed(self) -> bool:
        """Whether any file is another one than at the last :meth:`reload`, or could not be read then."""
        try:
            return self._seen is None or self._look() != self._seen
        except OSError:
            return True

    def _look(self) -> _Seen:
        seen = []
        for _name, *files in find_pairs(self._folder):
            for file in files:
                try:
                    # Follows links: certbot's live/ points into archive/.
                    status = file.stat()
                except OSError:
                    continue
                seen.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(seen)

    def reload(self, now: float) -> tuple[Fault, ...]:
        """Read the folder again; gives what is wrong with it. Never raises for the content of a file, nor where none
        can be opened: then all stays as it is, and the next look (:meth:`changed`) tries again."""
        try:
            require_some()
            self._seen, pairs = self._look(), tuple(find_pairs(self._folder))
        except OSError as error:
            self._seen = None
            self.faults = (Fault(self._folder, f"{self._folder}: cannot be read: {error.strerror}", _UNREAD),)
            return self.faults
        fresh: dict[str, Identity] = {}
        faults = []
        for name, certificate_file, key_file in pairs:
            if name in fresh:
                reason = f"{certificate_file}: {name} is there twice"
                faults.append(Fault(certificate_file, reason, "the first is served"))
                continue
            old = self._identities.get(name)
            try:
                identity = check_pair(certificate_file, key_file, name=name)
            except CertificateFault as fault:
                if old is not None:
                    fresh[name] = old
                faults.append(Fault(certificate_file, fault.text, _meanwhile(old)))
                continue
            if reason := time_fault(identity, now):
                better = old if old is not None and not time_fault(old, now) else identity
                # Even an expired certificate encrypts, and a port without one serves nobody.
                faults.append(Fault(certificate_file, reason, _meanwhile(old if better is old else identity)))
                identity = better
            fresh[name] = identity
        if fresh or not self._identities:
            self._identities = fresh
        else:
            reason = f"{self._folder}: has no certificate any more"
            faults.append(Fault(self._folder, reason, "the old ones are served"))
        self._by_host = {}
        # Of two that cover a host the one that lasts longer is served.
        for identity in sorted(self._identities.values(), key=lambda one: one.not_after):
            self._by_host.update(dict.fromkeys(identity.names, identity))
        self.faults = tuple(faults)
        return self.faults

    def default(self) -> Identity:
        """For clients that name no host or one we do not know (senders fail when they get none at all)."""
        named = self._identities.get("default") or self.for_host(self._default_name)
        if named is not None:
            return named
        if not self._identities:
            raise CertificateFault(f"{self._folder}: has no certificate to serve; see: xtramail cert check")
        return next(iter(self._identities.values()))

    def for_host(self, name: str) -> Identity | None:
        """The identity whose names cover the host: exactly, else by wildcard; None when there is none."""
        host = name.lower().rstrip(".")
        exact = self._by_host.get(host)
        if exact is not None:
            return exact
        return None if is_address(host) else self._by_host.get(f"*.{host.partition('.')[2]}")


def _meanwhile(served: Identity | None) -> str:
    if served is None:
        return "nothing is served for it"
    return f"served meanwhile: the one until {day_text(datetime.fromtimestamp(served.not_after, UTC))}"
