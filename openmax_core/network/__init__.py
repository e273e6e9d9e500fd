"""A classifier that is ready to run: its weights, its device, its engine."""
