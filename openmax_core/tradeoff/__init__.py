"""Test and Reject accuracy over the threshold, their intervals, and the choice of a threshold."""
