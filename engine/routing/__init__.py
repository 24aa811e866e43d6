"""Routing: which version a request goes to, and which others stand in for it."""
