"""Products that nothing rounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from openmax_core.support.products import GRID, Vectors, on_grid, squares


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 33)) * rng.choice([1e-5, 1.0, 300.0], size=(40, 1))


def test_products_are_exact_whatever_is_multiplied_with_them(numbers):
    vectors = Vectors.of(numbers[:9])
    whole = vectors.applied(numbers)
    assert np.array_equal(whole[5:6], vectors.applied(numbers[5:6]))
    assert np.array_equal(whole[::-1], vectors.applied(np.asfortranarray(numbers[::-1])))
    own, _ = on_grid(numbers)
    exact = sum(
        Fraction(a) * Fraction(b)
        for a, b in zip(own[20].tolist(), vectors.directions[3].tolist(), strict=True)
    )
    assert Fraction(float(own[20] @ vectors.directions[3])) == exact


def test_they_are_the_products_of_the_numbers(numbers):
    """But for the grid, which changes each number by half a step of its vector's length."""
    vectors = Vectors.of(numbers[:9])
    lengths = np.linalg.norm(numbers, axis=1)
    most = 33 * GRID * np.outer(lengths, lengths[:9])
    assert (np.abs(vectors.applied(numbers) - numbers @ numbers[:9].T) <= most).all()
    np.testing.assert_allclose(vectors.values, numbers[:9], rtol=0, atol=GRID * lengths.max())
    np.testing.assert_allclose(vectors.squares, 1.0, rtol=0, atol=33 * GRID)


def test_zeros_have_no_direction():
    vectors = Vectors.of(np.array([[0.0, 0.0], [0.0, 2.0]]))
    assert vectors.lengths.tolist() == [0.0, 2.0]
    assert vectors.applied(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [0.0, pytest.approx(8.0, abs=10 * GRID)],
        [0.0, 0.0],
    ]
    assert len(vectors) == 2
    assert squares(np.array([[3.0, 4.0]])).tolist() == [25.0]
