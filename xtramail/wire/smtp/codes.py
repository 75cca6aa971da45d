"""The fixed answers a server connection gives without asking anyone.

Owns their codes (RFC 5321 §4.2.3), enhanced codes (RFC 3463) and words; not their form on the wire (``replies``), and
not what policy answers. The words reveal nothing about accounts or this machine.
"""

from __future__ import annotations

from xtramail.model.outcome import Reply

# Usual answers to what policy lets pass.
SENDER_OK = Reply.of(250, "2.1.0", "sender ok")
RECIPIENT_OK = Reply.of(250, "2.1.5", "recipient ok")
GO_AHEAD = Reply.of(354, "", "end with CRLF.CRLF")
ACCEPTED = Reply.of(250, "2.0.0", "accepted")
RESET = Reply.of(250, "2.0.0", "ok")
BYE = Reply.of(221, "2.0.0", "bye")
TLS_GO_AHEAD = Reply.of(220, "2.0.0", "start TLS")
AUTHENTICATED = Reply.of(235, "2.7.0", "authenticated")
AUTH_ABORTED = Reply.of(501, "5.7.0", "authentication cancelled")

# Answers that need no policy.
NOOP = Reply.of(250, "2.0.0", "ok")
VRFY = Reply.of(252, "2.1.5", "cannot verify; send mail and see")
VRFY_SYNTAX = Reply.of(501, "5.5.4", "write VRFY address")
HELP = Reply.of(214, "2.0.0", "see RFC 5321")

# Syntax.
UNKNOWN_COMMAND = Reply.of(500, "5.5.1", "command not recognised")
SAY_LHLO = Reply.of(500, "5.5.1", "this is LMTP; send LHLO")
NOT_OFFERED = Reply.of(502, "5.5.1", "command not offered")
BAD_OCTETS = Reply.of(500, "5.5.2", "bare CR, bare LF or NUL in a command; lines end with CRLF")
LINE_TOO_LONG = Reply.of(500, "5.5.6", "line too long")
NO_ARGUMENTS = Reply.of(501, "5.5.4", "this command takes no argument")
HELLO_NAME = Reply.of(501, "5.5.4", "give your host name")
MAIL_SYNTAX = Reply.of(501, "5.5.4", "write MAIL FROM:<address>")
RCPT_SYNTAX = Reply.of(501, "5.5.4", "write RCPT TO:<address>")
BAD_SENDER = Reply.of(501, "5.1.7", "malformed sender address")
BAD_RECIPIENT = Reply.of(501, "5.1.3", "malformed recipient address")
NO_SOURCE_ROUTE = Reply.of(550, "5.7.1", "source routes are refused")
NEEDS_SMTPUTF8_SENDER = Reply.of(550, "5.6.7", "the sender address needs SMTPUTF8")
NEEDS_SMTPUTF8_RECIPIENT = Reply.of(553, "5.6.7", "the recipient address needs SMTPUTF8")
BAD_PARAMETER = Reply.of(501, "5.5.4", "malformed or repeated parameter")
UNKNOWN_PARAMETER = Reply.of(555, "5.5.4", "parameter not recognised")
BDAT_SYNTAX = Reply.of(501, "5.5.4", "write BDAT size [LAST]")

# Order.
HELLO_FIRST = Reply.of(503, "5.5.1", "send EHLO first")
MAIL_FIRST = Reply.of(503, "5.5.1", "send MAIL first")
RCPT_FIRST = Reply.of(503, "5.5.1", "send RCPT first")
NESTED_MAIL = Reply.of(503, "5.5.1", "a transaction is open; send RSET first")
NOT_NOW = Reply.of(503, "5.5.1", "bad sequence of commands")
CHUNKS_SPOILT = Reply.of(503, "5.5.1", "this transaction failed; send RSET")
NO_VALID_RECIPIENTS = Reply.of(554, "5.5.1", "no valid recipients")
TLS_ALREADY = Reply.of(503, "5.5.1", "TLS is active already")
TLS_PIPELINED = Reply.of(554, "5.5.1", "nothing may follow STARTTLS before the TLS handshake")
DATA_PIPELINED = Reply.of(503, "5.5.0", "text came before the go-ahead; closing")

# Login.
TLS_FIRST = Reply.of(530, "5.7.0", "send STARTTLS first")
LOGIN_FIRST = Reply.of(530, "5.7.0", "authentication required")
AUTH_NEEDS_TLS = Reply.of(538, "5.7.11", "encryption required for authentication")
AUTH_NOT_HERE = Reply.of(503, "5.5.1", "authentication is not offered here")
AUTH_ALREADY = Reply.of(503, "5.5.1", "authenticated already")
AUTH_MECHANISM = Reply.of(504, "5.5.4", "mechanism not offered")
AUTH_MALFORMED = Reply.of(501, "5.5.2", "malformed authentication exchange")

# Limits.
TOO_LARGE = Reply.of(552, "5.3.4", "message is larger than the limit")
TOO_MANY_RECIPIENTS = Reply.of(452, "4.5.3", "too many recipients; send the rest in another transaction")
BARE_IN_TEXT = Reply.of(550, "5.6.11", "bare CR or LF, or NUL, in the message; lines end with CRLF")
LONG_TEXT_LINE = Reply.of(550, "5.6.0", "a line of the message is over 1 MiB")


def too_many_errors(hostname: str) -> Reply:
    """Ends the connection (RFC 5321 §3.8)."""
    return Reply.of(421, "4.7.0", f"{hostname} too many errors, closing")


def too_many_idle_commands(hostname: str) -> Reply:
    """Ends the connection of a peer that talks and sends no mail."""
    return Reply.of(421, "4.7.0", f"{hostname} too many commands without mail, closing")


def chunk_received(octets: int) -> Reply:
    """RFC 3030 §2."""
    return Reply.of(250, "2.0.0", f"{octets} octets received")
