"""Intervals of Student's t, against a worked example and by drawing."""

import pytest
import torch

from hdd.train.intervals import _tails, _two_sided, difference, half_width, holm, summary


def test_a_worked_example():
    # Mean 3, standard deviation 1.5811, five values: t(4) = 2.776.
    assert half_width([1, 2, 3, 4, 5]) == pytest.approx(1.963, abs=1e-3)
    entry = summary([1, 2, 3, 4, 5])
    assert entry == {"n": 5, "mean": 3, "interval": [1.04, 4.96], "values": [1, 2, 3, 4, 5]}


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_95_of_100_intervals_hold_the_mean(n):
    draws = torch.randn(4000, n, generator=torch.Generator().manual_seed(n)).tolist()
    hit = sum(abs(sum(values) / n) <= half_width(values) for values in draws) / len(draws)
    assert hit == pytest.approx(0.95, abs=0.012)


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match="two seeds"):
        half_width([81.2])
    assert summary([81.2]) == {"n": 1, "mean": 81.2, "interval": None, "values": [81.2]}


# From 20 digits of the integral of t's density.
QUANTILES = {
    1: 12.706205,
    5: 2.5705818,
    30: 2.0422725,
    1000: 1.9623391,
    10**4: 1.9602012,
    10**5: 1.9599877,
}


@pytest.mark.parametrize(("freedom", "t"), QUANTILES.items())
def test_quantiles_are_right_with_few_values_and_with_many(freedom, t):
    assert _two_sided(0.05, freedom) == pytest.approx(t, rel=1e-6)
    assert _tails(t, freedom) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(0, 7, 1), (30, 20, 4.19522532e-18), (30, 1000, 1.53746874e-141), (1e4, 1, 6.36619770e-5)],
)
def test_tails_are_right_however_thin(t, freedom, p):
    assert _tails(t, freedom) == pytest.approx(p, rel=1e-6)


def test_a_difference_is_paired():
    # Worked by hand: differences -2 to -6, mean -4, standard deviation 1.5811: t(4) = -5.657.
    found = difference([1, 2, 3, 4, 5], [3, 5, 7, 9, 11])
    assert found["mean"] == -4
    assert found["interval"] == pytest.approx([-5.963, -2.037], abs=2e-3)
    assert found["p"] == pytest.approx(0.0048, abs=5e-5)


A, B = (1.0, 2.0, 4.0), (0.0, 0.5, 2.0)


def test_what_both_owe_to_a_seed_cancels():
    shared = [0.0, 10.0, -7.0]
    first, second = ([value + s for value, s in zip(v, shared, strict=True)] for v in (A, B))
    assert difference(first, second)["p"] == pytest.approx(difference(A, B)["p"])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 2.0], [2.0, 3.0], "no spread"),
        ([1.0], [2.0], "two or more"),
        ([1.0, 2.0], [2.0, 3.0, 5.0], "first has 2 values and second 3"),
    ],
)
def test_what_cannot_be_paired(first, second, message):
    with pytest.raises(ValueError, match=message):
        difference(first, second)


def test_holm_by_hand():
    # Sorted: .01 * 3, .02 * 2, .03 * 1; the last may not fall below the one before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
