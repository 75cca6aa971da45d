"""The directory as one document, or a CSV file for each kind of object: written, read, compared, and made so."""
