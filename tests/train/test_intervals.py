"""Intervals of Student's t, against a worked example and by drawing."""

import pytest
import torch

from hdd.train.intervals import half_width, summary


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
