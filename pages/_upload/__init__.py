"""The parts of the Upload page."""
