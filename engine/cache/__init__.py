"""Answers kept for those who ask the same again."""
