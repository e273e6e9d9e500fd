"""The network run once over every new picture, on this machine or on a cluster."""
