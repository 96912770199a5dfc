from matplotlib.patches import FancyBboxPatch

from hdd.visualization import data_drawings as drawings


def test_the_sets_of_both_seeds_are_nested():
    axes = drawings.plot_paired_subsets().axes[0]
    written = [text.get_text() for text in axes.texts]
    for size in ("100", "1,000", "9,000"):
        assert written.count(size) == 2
    edges = [line.get_xdata()[0] for line in axes.lines]
    assert edges[:3] == sorted(edges[:3]) == edges[3:]


def test_what_does_not_learn_is_dashed():
    panels = drawings.plot_ways().axes
    dashed = [
        [box.get_linestyle() == "--" for box in axes.patches if isinstance(box, FancyBboxPatch)]
        for axes in panels
    ]
    assert dashed == [[False, False], [True, False], [False, False], [True, False]]
