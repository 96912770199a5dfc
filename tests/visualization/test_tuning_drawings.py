from hdd.visualization import tuning_drawings as drawings

SWEEP = {1e-4: [50.0, 60.0], 1e-3: [79.0, 80.0], 1e-2: [80.0, 82.0], 1e-1: [70.0, 71.0]}


def bars(axes):
    return [line.get_xdata() for line in axes.lines]


def test_a_bar_spans_the_rates_that_are_about_as_good_as_the_best():
    ((start, end),) = bars(drawings.plot_sweeps({"data": {"Mixer": SWEEP}}).axes[1])
    assert 1e-4 < start <= 1e-3
    assert 1e-2 <= end < 1e-1


def test_a_plateau_ends_at_the_first_rate_that_is_worse():
    twice = {1e-5: [80.5], **SWEEP}  # good again beyond a bad rate
    ((start, _),) = bars(drawings.plot_sweeps({"data": {"ViT": twice}}).axes[1])
    assert start > 1e-4


def test_curves_show_means_and_bands_the_spread():
    axes = drawings.plot_sweeps({"data": {"Mixer": SWEEP}}).axes[0]
    curve, chance = axes.lines
    assert list(chance.get_ydata()) == [10, 10]
    assert list(curve.get_ydata()) == [55, 79.5, 81, 70.5]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (50, 82)


def test_parts_that_are_missing_are_not_drawn():
    panels = drawings.plot_parts().axes
    words = [" ".join(text.get_text() for text in axes.texts) for axes in panels]
    assert ["norm" in word for word in words] == [True, True, False, False]
    assert ["+" in word for word in words] == [True, False, True, False]
