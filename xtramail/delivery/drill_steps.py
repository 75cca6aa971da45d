"""The steps of a drill, each once: what is proved by it, and what to do where it fails. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from xtramail.store.drills import Pilot, Step


@dataclass(frozen=True, slots=True)
class StepWords:
    proves: str
    next: str
    """Empty: what the primary or another host said has to be looked at, by trace."""


CREDENTIAL, TOLD, LOGIN = "credential", "told", "login"
IN, IN_PRIMARY, IN_FOUND = "in", "in-primary", "in-found"
OUT, OUT_ARRIVED, SENT_BACK = "out", "out-arrived", "sent-back"
TIDY = "tidy"

STEPS: dict[str, StepWords] = {
    CREDENTIAL: StepWords(
        "he has a password here",
        "give him one: xtramail user passwd {address} --generate; "
        "where two-step sign-in is on: xtramail device add {address} --name NAME",
    ),
    TOLD: StepWords(
        "he was told, at an address elsewhere", "set another one: xtramail user set {address} outside-address=ADDRESS"
    ),
    LOGIN: StepWords(
        "he logged in here during the drill",
        "give him the card: xtramail user card {address} --out DIR; who was connected before has to log in anew",
    ),
    IN: StepWords("mail from outside lies in his mailbox here", "see why: xtramail doctor, xtramail trace {address}"),
    IN_PRIMARY: StepWords(
        "and his own server took it", "see its answers: xtramail trace {address}, xtramail outage status {domain}"
    ),
    IN_FOUND: StepWords(
        "and it lies in his mailbox there",
        "look for a rule there that deletes it; where other mail is missing: "
        "xtramail replay {domain} --from -1d --only-missing",
    ),
    OUT: StepWords("what he sends is taken, and lies in Sent here", "see why: xtramail trace {address}"),
    OUT_ARRIVED: StepWords("and it arrived", "see the answers: xtramail trace {address}, xtramail queue list"),
    SENT_BACK: StepWords(
        "and its copy was given to his own server", "see its answers: xtramail trace {address}, xtramail queue list"
    ),
    TIDY: StepWords("nothing of it is left behind", "delete what has the field X-Xtramail-Drill at the primary"),
}


_FOLLOWING = frozenset({IN_PRIMARY, IN_FOUND, OUT_ARRIVED, SENT_BACK})
"""They prove nothing where the step before them did not come about."""


def fresh_steps() -> tuple[Step, ...]:
    """Of a pilot at the beginning."""
    return tuple(Step(name=name) for name in STEPS)


def next_of(name: str, pilot: Pilot, domain: str) -> str:
    """What to do where this step failed."""
    return STEPS[name].next.replace("{address}", pilot.address).replace("{domain}", domain)


def closed(pilot: Pilot, domain: str, at: float) -> Pilot:
    """At the end of the drill: what still waits has failed."""
    for one in pilot.steps:
        if one.state == "waits" and one.name != TIDY:
            if one.name in _FOLLOWING and not one.text:
                pilot = pilot.came(one.name, "skipped", "it did not come so far", at=at)
            else:
                pilot = failed(pilot, one.name, one.text or "it did not happen", domain=domain, at=at)
    return pilot


def gone(pilot: Pilot, at: float) -> Pilot:
    """The user was removed meanwhile, and all that he had with him."""
    for one in pilot.steps:
        if one.state == "waits":
            pilot = pilot.came(one.name, "skipped" if one.name == TIDY else "failed", "he was removed", at=at)
    return pilot


def failed(pilot: Pilot, name: str, text: str, *, domain: str, at: float) -> Pilot:
    return pilot.came(name, "failed", text, at=at, next=next_of(name, pilot, domain))
