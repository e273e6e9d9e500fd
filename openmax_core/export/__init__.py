"""Network, method and threshold as one file, checked against the library before it takes its name."""
