"""Webhooks: telling a caller's server what became of its work, by Standard Webhooks."""
