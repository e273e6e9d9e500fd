"""Weibull tails: all classes fitted at once, their CDF and quantiles, and how well they fit."""
