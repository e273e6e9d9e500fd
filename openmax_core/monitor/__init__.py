"""Batches of new pictures held against the test set: read, scored, recorded, drawn."""
