"""The parts of the Threshold page."""
