"""What happened, in mail's words: one function for each business event, one line in the log for each call.

Owns the names of events and of their fields. A message is named by its id in every line, from the connection it came by
to the reply of the host it went to. No function takes a secret, and ``log.py`` would not write one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import time

from twisted.logger import Logger, LogLevel, globalLogPublisher
from twisted.python.failure import Failure

from xtramail.model.address import Address
from xtramail.model.ids import id_text
from xtramail.model.peer import Peer

_log = Logger(namespace="xtramail")


def _tell(event: str, **fields: object) -> None:
    # As _log.info would, which lists all levels there are each time to see that this is one.
    globalLogPublisher(
        {
            "log_logger": _log,
            "log_level": LogLevel.info,
            "log_namespace": _log.namespace,
            "log_source": None,
            "log_format": "{mail_event}",
            "log_time": time(),
            "mail_event": event,
            "mail_fields": fields,
        }
    )


def _warn(event: str, **fields: object) -> None:
    _log.warn("{mail_event}", mail_event=event, mail_fields=fields)


def _who(address: Address | str | None) -> str:
    """The null sender shows as ``<>``."""
    return "<>" if address is None else str(address)


# The server.


def server_started(*, version: str, hostname: str, config: Path | None) -> None:
    _tell("server-started", version=version, hostname=hostname, config=config)


def server_listening(*, service: str, endpoint: str) -> None:
    _tell("server-listening", service=service, endpoint=endpoint)


def sending_protected(*, resolver: str, tls: str, text: str) -> None:
    """By whose word mail to the world is held to DANE and MTA-STS (empty: nobody's), and its TLS without that."""
    _tell("sending-protected", resolver=resolver, tls=tls, text=text)


def server_stopping(*, connections: int) -> None:
    _tell("server-stopping", connections=connections)


def server_stopped() -> None:
    _tell("server-stopped")


def start_failed(*, reason: str) -> None:
    _log.critical("{mail_event}", mail_event="start-failed", mail_fields={"reason": reason})


def settings_reloaded(*, applied: Sequence[str], at_restart: Sequence[str]) -> None:
    """Keys that changed: in force now, and only after a restart."""
    _tell("settings-reloaded", applied=list(applied), at_restart=list(at_restart))


def reload_put_off(*, reason: str) -> None:
    """SIGHUP, and no file can be opened: tried again until one can."""
    _warn("reload-put-off", reason=reason)


def settings_refused(*, reason: str) -> None:
    """The file has mistakes: the old settings stay."""
    _warn("settings-refused", reason=reason)


def changed(
    *, number: int, seal: str, actor: str, role: str, how: str, what: str, object: str, domain: str, tenant: str
) -> None:
    """A row of the log of changes: who keeps this line elsewhere can prove it (``xtramail audit verify --head``)."""
    _tell(
        "changed",
        number=number,
        seal=seal,
        actor=actor,
        role=role,
        how=how,
        what=what,
        object=object,
        domain=domain,
        tenant=tenant,
    )


def changes_head_unwritten(*, file: Path, reason: str) -> None:
    """How the log of changes ends cannot be noted beside the keys: what is cut off its end is not noticed by itself."""
    _warn("changes-head-unwritten", file=file, reason=reason)


def changes_stand(*, number: int, seal: str) -> None:
    """The newest row of the log of changes when the server starts."""
    _tell("changes-stand", number=number, seal=seal)


def limits_cut(*, limit: str, wanted: int, given: int) -> None:
    """The machine gives fewer descriptors than the settings ask for."""
    _warn("limits-cut", limit=limit, wanted=wanted, given=given)


def accepting_paused(*, limit: int) -> None:
    """So many descriptors are in use that the rest is kept for the store, logs and mail on its way out."""
    _warn("accepting-paused", limit=limit)


def accepting_resumed() -> None:
    """Who has waited meanwhile is served."""
    _tell("accepting-resumed")


def alarm(*, kind: str, text: str) -> None:
    """Somebody should look at this."""
    _log.error("{mail_event}", mail_event="alarm", mail_fields={"kind": kind, "text": text})


def turn_slow(*, seconds: float, working: float, ran: str) -> None:
    """Everybody waited that long for one turn of the reactor, ``working`` seconds of it for its own thread's work.
    ``ran``: functions that were seen in it, the innermost first."""
    _warn("turn-slow", ms=round(seconds * 1000), working_ms=round(working * 1000), ran=ran)


def fault_alarm(kind: str) -> Callable[[BaseException], None]:
    """What takes the errors of a job that goes on all the same, each an :func:`alarm` of this kind."""
    return lambda error: alarm(kind=kind, text=f"{type(error).__name__}: {error}")


def bug(*, where: str, peer: Peer | None = None, failure: Failure | None = None) -> None:
    """An error nobody expected, with its traceback; without ``failure`` the exception being handled."""
    _log.failure("{mail_event}", failure, mail_event="bug", mail_fields={"where": where, "peer": peer})


# Certificates.


def certificates_loaded(*, names: Sequence[str], not_after: float | None) -> None:
    """Every name that is served, and when the first certificate ends (seconds since 1970)."""
    _tell("certificates-loaded", names=list(names), not_after=not_after)


def certificate_refused(*, file: Path, reason: str, served: str) -> None:
    _warn("certificate-refused", file=file, reason=reason, served=served)


def own_certificate_written(*, file: Path, names: Sequence[str]) -> None:
    """Made by our own authority: clients must be told to trust it."""
    _tell("own-certificate-written", file=file, names=list(names))


# Connections.


def connection_turned_away(*, service: str, peer: Peer, reason: str, unsaid: int) -> None:
    """``unsaid``: how often it had happened to this address since the last such line."""
    _warn("connection-turned-away", service=service, peer=peer, reason=reason, unsaid=unsaid)


def tls_failed(*, service: str, peer: Peer, reason: str) -> None:
    _tell("tls-failed", service=service, peer=peer, reason=reason)


def logged_in(*, service: str, account: Address | str, peer: Peer, mechanism: str) -> None:
    _tell("logged-in", service=service, account=str(account), peer=peer, tls=peer.tls, mechanism=mechanism)


def login_refused(*, service: str, name: str, peer: Peer, reason: str) -> None:
    """``reason`` is for us; the client is told one text whatever it was."""
    _warn("login-refused", service=service, name=name, peer=peer, reason=reason)


def logged_out(*, service: str, account: Address | str, peer: Peer, reason: str = "") -> None:
    _tell("logged-out", service=service, account=str(account), peer=peer, reason=reason)


# Mail in.


def message_accepted(
    *,
    message_id: int,
    service: str,
    peer: Peer,
    sender: Address | str | None,
    recipients: Sequence[Address | str],
    size: int,
    account: Address | str = "",
    header_message_id: str = "",
    signed: str = "",
) -> None:
    """Durable: 250 has been or is being said. ``signed``: by whose DKIM keys."""
    _tell(
        "message-accepted",
        id=id_text(message_id),
        service=service,
        peer=peer,
        helo=peer.helo,
        tls=peer.tls,
        sender=_who(sender),
        recipients=[str(recipient) for recipient in recipients],
        size=size,
        account=str(account),
        message_id=header_message_id,
        signed=signed,
    )


def message_refused(*, message_id: int, peer: Peer, service: str, reply: str) -> None:
    _tell("message-refused", id=id_text(message_id), service=service, peer=peer, reply=reply)


def sender_refused(*, service: str, peer: Peer, sender: Address | str | None, reply: str) -> None:
    _tell("sender-refused", service=service, peer=peer, sender=_who(sender), reply=reply)


def recipient_refused(
    *, service: str, peer: Peer, sender: Address | str | None, recipient: Address | str, reply: str
) -> None:
    _tell(
        "recipient-refused", service=service, peer=peer, sender=_who(sender), recipient=str(recipient), reply=reply
    )


def message_filed(*, message_id: int, account: Address | str, mailbox: str, uid: int) -> None:
    _tell("message-filed", id=id_text(message_id), account=str(account), mailbox=mailbox, uid=uid)


def messages_deleted(*, service: str, account: Address | str, count: int) -> None:
    """A POP3 client's QUIT; they stay recoverable."""
    _tell("messages-deleted", service=service, account=str(account), count=count)


def copy_skipped(*, message_id: int, account: Address | str) -> None:
    """A mailbox is so far over its quota that mail to its primary is relayed and not copied."""
    _warn("copy-skipped", id=id_text(message_id), account=str(account))


def sending_blocked(*, account: Address | str, cause: str, reason: str) -> None:
    """The account may send nothing to the world until a person releases it."""
    _warn("sending-blocked", account=str(account), cause=cause, reason=reason)


# Mail out.


def recipient_delivered(
    *, message_id: int, recipient: Address | str, host: str, reply: str, tls: str = ""
) -> None:
    """``tls``: by what it was chosen: dane, sts, verify, required or opportunistic; none when there was none."""
    _tell("recipient-delivered", id=id_text(message_id), recipient=str(recipient), host=host, reply=reply, tls=tls)


def recipient_deferred(
    *, message_id: int, recipient: Address | str, host: str, reply: str, next_attempt: float, tls: str = ""
) -> None:
    """``next_attempt`` in seconds since 1970; ``tls`` as above."""
    _tell(
        "recipient-deferred",
        id=id_text(message_id),
        recipient=str(recipient),
        host=host,
        reply=reply,
        next_attempt=next_attempt,
        tls=tls,
    )


def recipient_unconfirmed(*, message_id: int, recipient: Address | str, host: str, reason: str) -> None:
    """The connection was lost between our final dot and its reply."""
    _warn("recipient-unconfirmed", id=id_text(message_id), recipient=str(recipient), host=host, reason=reason)


def recipient_bounced(*, message_id: int, recipient: Address | str, host: str, reply: str) -> None:
    _warn("recipient-bounced", id=id_text(message_id), recipient=str(recipient), host=host, reply=reply)


def recipient_held(*, message_id: int, recipient: Address | str, host: str, reply: str, reason: str) -> None:
    """A person has to decide about it."""
    _warn(
        "recipient-held", id=id_text(message_id), recipient=str(recipient), host=host, reply=reply, reason=reason
    )


def recipient_suppressed(*, message_id: int, recipient: Address | str, by: str) -> None:
    _tell("recipient-suppressed", id=id_text(message_id), recipient=str(recipient), by=by)


def notice_written(*, message_id: int, about: int, recipient: Address | str) -> None:
    """A delivery status notification (RFC 3464) about another message."""
    _tell("notice-written", id=id_text(message_id), about=id_text(about), recipient=str(recipient))


def primary_changed(*, domain: str, before: str, after: str, cause: str) -> None:
    _warn("primary-changed", domain=domain, before=before, after=after, cause=cause)


# Alerts.


def alert_raised(*, alert: int, kind: str, domain: str, text: str, count: int, to: int) -> None:
    """``to``: how many are told. ``domain`` is empty where it concerns the server."""
    _warn("alert-raised", alert=alert, kind=kind, domain=domain, text=text, count=count, to=to)


def alert_told(*, alert: int, kind: str, domain: str, to: str, answer: str) -> None:
    """``to`` is an address, or a URL without what is secret of it."""
    _tell("alert-told", alert=alert, kind=kind, domain=domain, to=to, answer=answer)


def card_mailed(*, account: str, to: str, domain: str, message_id: int) -> None:
    _tell("card-mailed", account=account, to=to, domain=domain, id=id_text(message_id))


def card_not_mailed(*, account: str, to: str, domain: str, reason: str) -> None:
    _warn("card-not-mailed", account=account, to=to, domain=domain, reason=reason)


def alert_failed(
    *, alert: int, kind: str, domain: str, to: str, answer: str, attempts: int, next_attempt: float
) -> None:
    """``next_attempt`` in seconds since 1970."""
    _warn(
        "alert-failed",
        alert=alert,
        kind=kind,
        domain=domain,
        to=to,
        answer=answer,
        attempts=attempts,
        next_attempt=next_attempt,
    )


def alert_given_up(*, alert: int, kind: str, domain: str, to: str, answer: str, attempts: int) -> None:
    """Somebody was not told, and will not be."""
    _warn("alert-given-up", alert=alert, kind=kind, domain=domain, to=to, answer=answer, attempts=attempts)


# The store.


def store_opened(*, path: Path, size: int) -> None:
    _tell("store-opened", path=path, size=size)


def bucket_dropped(*, day: int, retention_class: int, moved: int) -> None:
    """A day of mail expired; ``moved``: messages in it whose fate is open, saved from it first."""
    _tell("bucket-dropped", day=day, retention_class=retention_class, moved=moved)


def expiry_paused(*, reason: str) -> None:
    _warn("expiry-paused", reason=reason)
