from itertools import pairwise

import pytest
import torch

from hdd.teaching.language import split
from hdd.visualization import training_drawings as drawings


def test_the_plan_has_three_parts_with_their_sizes_and_the_section_of_each_step():
    (axes,) = drawings.plot_plan((9000, 1000, 2000)).axes
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    for size in ("9,000", "1,000", "2,000"):
        assert size in texts
    words = [split(text) for text in texts if " | " in text]
    assert [en for _, en in words if en.endswith("set")] == [
        *("training set", "validation set", "test set")
    ]
    steps = dict(pairwise(split(text)[-1] for text in texts))
    sections = [f"section {number}" for number in (2, 3, 4, 5)]
    assert [steps[name] for name in ("loss", "rate", "Muon", "augment")] == sections


def test_the_ellipse_has_the_singular_values_as_lengths_and_the_last_circle_none_but_one():
    gradient = torch.tensor([[2.0, -1.0], [1.0, 0.0]])
    _, stretched, turned = drawings.plot_ellipses(gradient).axes
    for axes, low, high in ((stretched, 2**0.5 - 1, 2**0.5 + 1), (turned, 1, 1)):
        radius = torch.as_tensor(axes.lines[0].get_xydata()).norm(dim=1)
        assert float(radius.min()) == pytest.approx(low, abs=1e-2)
        assert float(radius.max()) == pytest.approx(high, abs=1e-2)
    lengths = [text.get_text().split(" ")[-1] for text in stretched.texts if text.get_text()]
    assert lengths == ["2.41", "0.41"]
    with pytest.raises(ValueError, match="Fix"):
        drawings.plot_ellipses(torch.eye(3))
