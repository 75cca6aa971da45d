"""What can go wrong, in mail's words.

Owns the exceptions that cross layers. The edges turn them into SMTP, IMAP and exit codes (one table each); nothing here
knows a code. ``text`` is safe to show to the peer: it reveals nothing about other accounts or this machine.
"""

from __future__ import annotations


class XtramailError(Exception):
    """Base of every expected failure; anything else that escapes is a bug."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or type(self).__doc__ or type(self).__name__)

    @property
    def text(self) -> str:
        return str(self.args[0])


class Refused(XtramailError):
    """The request is understood and will not be done; asking again does not help."""


class NoSuchMailbox(Refused):
    """Mailbox does not exist."""


class MailboxExists(Refused):
    """Mailbox already exists."""


class MailboxHasChildren(Refused):
    """Mailbox has inferior names."""


class BadMailboxName(Refused):
    """Mailbox name is not allowed."""


class NoSuchMessage(Refused):
    """Message no longer exists."""


class NoSuchDomain(Refused):
    """Domain is not served here."""


class NoSuchAccount(Refused):
    """No such user."""


class NoSuchTenant(Refused):
    """No such tenant."""


class NoSuchAdmin(Refused):
    """No such admin."""


class NoSuchToken(Refused):
    """No such token."""


class NoSuchRecipient(Refused):
    """No such user here."""


class NoSuchRoute(Refused):
    """There is no such route."""


class NoSuchAlias(Refused):
    """No such alias."""


class NoSuchSender(Refused):
    """No owners are named for this address."""


class AlreadyExists(Refused):
    """It exists already."""


class NotPermitted(Refused):
    """Not permitted."""


class OverQuota(Refused):
    """Quota exceeded."""


class LimitReached(Refused):
    """A limit of this server is reached."""


class TooLarge(Refused):
    """Message is too large."""


class UnknownEncoding(Refused):
    """This content cannot be kept or shown in the form asked for."""


class BadCredentials(Refused):
    """Login failed. Accounts with two-step sign-in need a device password."""

    def __init__(self, text: str = "", *, delay: float = 0.0) -> None:
        """``delay``: seconds after the attempt before which it is not to be answered."""
        super().__init__(text)
        self.delay = delay


class BadInput(Refused):
    """A value given by a person is wrong: names the field, the rule and the next step."""


class Unavailable(XtramailError):
    """Cannot be done now; asking again later may help."""


class StoreBusy(Unavailable):
    """The store is busy."""


class StoreFull(Unavailable):
    """The store is full."""


class StoreFault(Unavailable):
    """The store could not write."""


class LoginBusy(Unavailable):
    """Too many logins at once; try again in a minute."""


class PrimaryDown(Unavailable):
    """The primary does not answer."""


class Corrupt(XtramailError):
    """A stored value does not match its checksum: never served."""


class FormatMismatch(XtramailError):
    """The store was written by another format of xtramail."""
