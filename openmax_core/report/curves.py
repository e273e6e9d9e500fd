"""The classes' Weibull CDFs as SVG, with the tails they were fitted to, for a report."""

from __future__ import annotations

from html import escape

import numpy as np

from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.sweep import class_warnings

MOST_CURVES = 12
WIDTH, HEIGHT, MARGIN = 260.0, 130.0, 18.0


def weibull_curves(openmax: OpenMax) -> str:
    """Section with the CDFs and their tails; with many classes those with a warning first."""
    warnings = class_warnings(openmax)
    order = sorted(range(openmax.n_classes), key=lambda index: not warnings[index])[:MOST_CURVES]
    more = openmax.n_classes - len(order)
    text = (
        "<h2>How far is too far: the classes' Weibull curves</h2><p>Per class the fitted CDF over "
        "the distance to the class's mean, with the tail it was fitted to."
        + (f" {more:,} more classes are in the dashboard." if more else "")
        + "</p><div class='curves'>"
    )
    for index in sorted(order):
        warning = f"<p class='warning'>{escape(warnings[index])}</p>" if warnings[index] else ""
        name = f"<figcaption><b>{escape(openmax.class_names_[index])}</b></figcaption>"
        text += f"<figure>{name}{_svg(openmax, index)}{warning}</figure>"
    return text + "</div>"


def _svg(openmax: OpenMax, index: int) -> str:
    tail = openmax.tails_[index]
    low, high = float(tail[0]), float(tail[-1])
    margin = 0.15 * (high - low) or 1.0
    low, high = max(0.0, low - margin), high + margin
    x = np.union1d(np.linspace(low, high, 150), tail)
    one = np.array([index])

    def place(distances: Float) -> list[tuple[float, float]]:
        cdf = openmax.weibull_.cdf(distances, np.broadcast_to(one, distances.shape))
        across = MARGIN + (distances - low) / (high - low) * (WIDTH - 2 * MARGIN)
        down = HEIGHT - MARGIN - cdf * (HEIGHT - 2 * MARGIN)
        return list(zip(across.tolist(), down.tolist(), strict=True))

    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in place(x))
    dots = "".join(
        f"<circle class='tail' cx='{a:.1f}' cy='{b:.1f}' r='2.5'/>" for a, b in place(tail)
    )
    top, bottom = MARGIN, HEIGHT - MARGIN
    return (
        f"<svg viewBox='0 0 {WIDTH:g} {HEIGHT:g}' role='img' aria-label='Weibull CDF'>"
        f"<path class='grid' d='M{MARGIN:g} {top:g}H{WIDTH - MARGIN:g}M{MARGIN:g} {bottom:g}"
        f"H{WIDTH - MARGIN:g}'/><text x='2' y='{top + 3:g}'>1</text>"
        f"<text x='2' y='{bottom + 3:g}'>0</text>"
        f"<text x='{MARGIN:g}' y='{HEIGHT - 5:g}'>{low:.4g}</text>"
        f"<text x='{WIDTH - MARGIN:g}' y='{HEIGHT - 5:g}' text-anchor='end'>{high:.4g}</text>"
        f"<polyline class='cdf' points='{line}'/>{dots}</svg>"
    )
