"""Limits: how much a project and its keys may ask for, and for how much money."""
