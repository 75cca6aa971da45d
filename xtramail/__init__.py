"""xtramail: an email continuity server."""

__version__ = "0.1.0"
