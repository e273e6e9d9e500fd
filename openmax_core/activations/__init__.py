"""Stored logits, and what became of every picture."""
