"""Stored logits and features, and what became of every picture."""
