"""The parts of the Monitor page."""
