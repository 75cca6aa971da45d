"""DKIM (RFC 6376, RFC 8463): what is signed, how the signature is written, and what a domain publishes. No keys."""
