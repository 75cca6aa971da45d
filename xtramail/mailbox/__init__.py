"""Mail at rest: what one account sees of its mailboxes, without a reactor."""
