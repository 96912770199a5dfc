import pytest
import torch

from hdd.teaching.language import split
from hdd.visualization import training_drawings as drawings


def test_three_parts_with_their_sizes_in_both_languages():
    (axes,) = drawings.plot_parts((9000, 1000, 2000)).axes
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    for size in ("9,000", "1,000", "2,000"):
        assert size in texts
    words = [split(text) for text in texts if not text[0].isdigit()]
    assert all(zh != en for zh, en in words)
    assert [en for _, en in words if en.endswith("set")] == [
        *("training set", "validation set", "test set")
    ]


def test_targets_add_up_to_one_and_are_what_cross_entropy_smooths():
    plain, smoothed = drawings.plot_targets(classes=5, epsilon=0.2).axes
    heights = [[bar.get_height() for bar in axes.patches] for axes in (plain, smoothed)]
    assert heights[0] == [0, 0, 0, 1, 0]
    torch.testing.assert_close(
        torch.tensor(heights[1], dtype=torch.float32), torch.tensor([0.04, 0.04, 0.04, 0.84, 0.04])
    )
    logits = torch.randn(1, 5)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([3]), label_smoothing=0.2)
    torch.testing.assert_close(
        -(torch.tensor(heights[1], dtype=torch.float32) * logits.log_softmax(1)[0]).sum(), loss
    )


def test_the_ellipse_has_the_singular_values_as_lengths_and_the_last_circle_none_but_one():
    gradient = torch.tensor([[2.0, -1.0], [1.0, 0.0]])
    _, stretched, turned = drawings.plot_ellipses(gradient).axes
    for axes, low, high in ((stretched, 2**0.5 - 1, 2**0.5 + 1), (turned, 1, 1)):
        radius = torch.as_tensor(axes.lines[0].get_xydata()).norm(dim=1)
        assert float(radius.min()) == pytest.approx(low, abs=1e-2)
        assert float(radius.max()) == pytest.approx(high, abs=1e-2)
    assert split(stretched.get_title())[1].endswith("lengths 2.41, 0.41")
    with pytest.raises(ValueError, match="Fix"):
        drawings.plot_ellipses(torch.eye(3))
