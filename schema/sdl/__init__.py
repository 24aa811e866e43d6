"""The schema as text: what it may not do to its clients, how it has to look, and its reference."""
