"""Rows, and every statement. Imports nothing of ours."""
