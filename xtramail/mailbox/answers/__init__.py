"""IMAP's answer to each command: a session's results in the words of ``wire/imap``. No sockets, no reactor."""
