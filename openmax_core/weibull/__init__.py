"""Weibull tails: all classes fitted at once, their CDF and quantiles, and how well they fit."""

from openmax_core.weibull.fit import fit_tails

__all__ = ["fit_tails"]
