"""Mail in motion: accepted, stored, relayed, expired. Knows no reactor."""
