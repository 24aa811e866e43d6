"""Jobs: batches of items, worked off in chunks by whatever processes there are. SQL is the truth."""
