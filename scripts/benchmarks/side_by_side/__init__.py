"""Two IMAP servers beside each other: what starts them, what speaks to them, what is asked and how it is told."""
