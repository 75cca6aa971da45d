"""Many messages, large stores, many sessions: what they cost, and whether a cost grows faster than the work."""
