"""The parts of the Weibull page."""
