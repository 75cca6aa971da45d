"""SMTP spoken from both sides: ``server`` and ``client`` engines, and the words they share."""
