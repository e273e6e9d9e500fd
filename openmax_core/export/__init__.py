"""Network, method and threshold as one file, checked before it takes its name."""
