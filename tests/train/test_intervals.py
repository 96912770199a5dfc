"""Intervals of Student's t, against a worked example and by drawing."""

import pytest
import torch

from hdd.train.intervals import difference, half_width, holm, summary


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


def test_a_difference_is_welchs():
    # Worked by hand: means 3 and 7, variances 2.5 and 10, five values each: t = -2.530, 5.882
    # degrees of freedom, whose 95 % quantile is 2.459.
    found = difference([1, 2, 3, 4, 5], [3, 5, 7, 9, 11])
    assert found["mean"] == -4
    assert found["interval"] == pytest.approx([-7.888, -0.112], abs=2e-3)
    assert found["p"] == pytest.approx(0.0454, abs=5e-4)


def test_no_spread_is_no_evidence():
    with pytest.raises(ValueError, match="no spread"):
        difference([1.0, 1.0], [2.0, 2.0])


def test_holm_by_hand():
    # Sorted: .01 * 3, .02 * 2, .03 * 1; the last may not fall below the one before.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
