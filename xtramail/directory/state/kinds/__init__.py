"""Each kind of object that a document has: its row, its rules, and how it is written."""
