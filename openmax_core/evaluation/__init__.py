"""A method calibrated and scored on stored activations."""
