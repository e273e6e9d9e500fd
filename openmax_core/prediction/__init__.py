"""Decisions on pictures that belong to no set, each with its reason."""
