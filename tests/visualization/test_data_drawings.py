from collections import Counter

from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from hdd.visualization import data_drawings as drawings


def test_the_sets_of_both_seeds_are_nested_and_to_scale():
    for axes in drawings.plot_paired_subsets().axes:
        shades = [to_hex(patch.get_facecolor()) for patch in axes.patches]
        sizes = [drawings.SQUARE * count for count in Counter(shades).values()]  # first come first
        assert sizes == [100, 900, 8000, 1000]
        assert shades == sorted(shades, key=shades.index), "no set is broken up"
        named = " ".join(text.get_text().replace("\n", " ") for text in axes.texts)
        assert all(f"first {size}" in named for size in ("100", "1,000", "9,000"))


def test_each_seed_has_its_own_order():
    titles = {axes.get_title() for axes in drawings.plot_paired_subsets().axes}
    assert len({title.partition(" images ")[2] for title in titles}) == 2


def test_what_does_not_learn_is_dashed():
    panels = drawings.plot_ways().axes
    dashed = [
        [box.get_linestyle() == "--" for box in axes.patches if isinstance(box, FancyBboxPatch)]
        for axes in panels
    ]
    assert dashed == [[False, False], [True, False], [False, False], [True, False]]


def test_the_slope_of_the_fitted_line_stands_at_its_end():
    means = {"100": 60.0, "1000": 70.0, "10000": 80.0}
    by_size = {n: {"test": {"mean": mean, "values": [mean]}} for n, mean in means.items()}
    left, right = drawings.plot_need({"Mixer": by_size}, [(70.0, 1000, 3162)]).axes
    assert "+10.0" in [text.get_text() for text in right.texts]
    assert "× 3.2" in [text.get_text() for text in left.texts]
