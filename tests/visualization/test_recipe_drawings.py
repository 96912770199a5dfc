"""The drawings of the recipe show what is computed."""

import pytest
import torch

from hdd.visualization.recipe_drawings import (
    Pair,
    averaged,
    noisy_path,
    plot_compute,
    plot_cutmix,
    plot_families,
    plot_last_epochs,
    plot_paired,
    plot_pairs,
    plot_paths,
    plot_tuning,
)


def test_the_target_bars_share_one():
    figure = plot_cutmix(torch.rand(3, 1, 8, 8), (2, 6, 1, 5), ("a", "b"), 0.25)
    widths = [bar.get_width() for bar in figure.axes[3].patches]
    assert widths == [0.75, 0.25]


def test_the_box_lies_around_its_pixels():
    figure = plot_cutmix(torch.rand(3, 1, 8, 8), (2, 6, 1, 5), ("a", "b"), 0.25)
    (box,) = figure.axes[2].patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (0.5, 1.5, 4, 4)


def test_the_average_of_three_weights():
    path = torch.tensor([[4.0, 0.0], [0.0, 0.0], [4.0, 0.0]])
    assert averaged(path, 0.5)[:, 0].tolist() == [4, 2, 3]


def test_without_noise_the_path_ends_in_the_minimum():
    path = noisy_path(torch.ones(200), rate=0.6, noise=0.0, seed=0)
    assert path[-1].abs().max() < 1e-6


@pytest.mark.parametrize("remedy", ["average", "falling rate"])
def test_both_remedies_end_nearer_on_average(remedy):
    steps = 60
    shares = torch.ones(steps) if remedy == "average" else torch.linspace(1, 0, steps)
    far = near = 0.0
    for seed in range(60):
        constant = noisy_path(torch.ones(steps), 0.6, 0.7, seed)
        calm = (
            averaged(constant, 0.9) if remedy == "average" else noisy_path(shares, 0.6, 0.7, seed)
        )
        far += constant[-1].square().sum().item()
        near += calm[-1].square().sum().item()
    assert near < far / 2


def test_the_right_path_ends_near_the_star():
    right = plot_paths(torch.linspace(1, 0, 60)).axes[1]
    end = next(line for line in right.lines if line.get_marker() == "o")
    assert abs(end.get_xdata()[0]) + abs(end.get_ydata()[0]) < 0.3


def test_a_pair_has_a_line_with_and_one_without_the_second_change():
    values = [[[70.0, 72.0], [74.0, 76.0]], [[73.0, 73.0], [80.0, 81.0]]]
    (axes,) = plot_pairs([Pair("t", ("a", "b"), ("c", "d"), values, ("C0", "C1"))]).axes
    means = [list(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert means == [[71, 75], [73, 80.5]]
    assert [text.get_text() for text in axes.texts] == ["71.0", "75.0", "73.0", "80.5"]


def test_what_the_seeds_share_is_gone_from_the_differences():
    left, right = plot_paired([80.0, 82.0, 84.0], [77.0, 79.0, 81.0]).axes
    assert list(left.lines[0].get_ydata()) == [80, 77]
    assert [text.get_text() for text in right.texts] == ["s = 0.0", "s = 2.0", "s = 2.0"]


def test_rings_mark_the_best_setting_of_each_optimizer():
    tried = [(0.1, 0.01, 80.0), (0.1, 0.1, 82.0), (1.0, 0.01, 84.0), (1.0, 0.1, 81.0)]
    trials = [{"decay": d, "lr": lr, "validation": v} for d, lr, v in tried]
    record = {"light": {name: {"trials": trials} for name in ("muon", "adamw")}}
    (axes,) = plot_tuning(record, {"light": "a"}).axes
    rings = [line.get_xydata().tolist() for line in axes.lines if line.get_markersize() == 14]
    assert rings[:2] == [[[0.01, 84]], [[0.01, 84]]]


def test_losses_are_shares_of_those_at_epoch_50():
    losses = [2.0] * 49 + [1.0] * 10 + [0.9]
    history = {"train_loss": losses, "val_loss": [0.5] * 60, "learning_rate": [0.1] * 60}
    left, right = plot_last_epochs([history]).axes
    training = left.lines[0].get_ydata()
    assert (training[0], training[10], training[-1]) == (200, 100, 90)
    assert set(right.lines[0].get_ydata()) == {100}


def test_the_best_trial_is_ringed_and_every_seed_drawn_at_its_operations():
    trials = [
        {"optimizer": name, "validation": value, "lr": lr}
        for name, value, lr in (("muon", 70.0, 0.01), ("adamw", 74.0, 0.1), ("adamw", 60.0, 1.0))
    ]
    budgets = [
        {"budget": 5, "macs": 4_900_000, "test": {"n": 2, "mean": 71.0, "values": [70.0, 72.0]}},
        {"budget": 10, "macs": 10_200_000, "test": {"n": 1, "mean": 75.0, "values": [75.0]}},
    ]
    left, right = plot_families({"ViT": {"trials": trials, "budgets": budgets}}).axes
    rings = [line for line in left.lines if line.get_markeredgecolor() == "black"]
    assert [(*ring.get_xdata(), *ring.get_ydata()) for ring in rings] == [(0.1, 74.0)]
    dots = [line for line in right.lines if line.get_marker() == "o"]
    places = [(x, y) for dot in dots for x, y in zip(*dot.get_data(), strict=True)]
    assert places == [(4.9, 70.0), (4.9, 72.0), (10.2, 75.0)]


def test_only_leads_that_are_given_are_drawn():
    ours = [(8, 12, 0.1, [70.0, 72.0]), (4, 12, 0.4, [80.0, 80.0]), (4, 60, 1.2, [90.0, 91.0])]
    (axes,) = plot_compute(ours, [("a", 0.3, 94.0, 23.0), ("b", 1.4, 95.0, None)]).axes
    written = [text.get_text() for text in axes.texts]
    assert {"23.0", "P = 8，12 轮 | P = 8, 12 epochs", "a", "b"} <= set(written)
    assert sum(text.arrow_patch is not None for text in axes.texts) == 1
