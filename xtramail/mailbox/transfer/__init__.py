"""Mail of one account from files and into files: mbox, Maildir and folders of EML."""
