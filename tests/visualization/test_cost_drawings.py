from matplotlib.patches import FancyArrowPatch, Rectangle

from hdd.visualization.cost_drawings import plot_products, plot_trips


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_a_product_shows_a_square_for_each_number_and_the_count():
    products = [("$W_1$", (2, 4), "$X$", (4, 3), "$H$")]
    rows = {"混合 | mixing": products, "注意力 | attention": products}
    figure = plot_products(rows, ["blue", "red"])
    for axes, title in zip(figure.axes, rows, strict=True):
        squares = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert len(squares) == 2 * 4 + 4 * 3 + 2 * 3
        assert "2 × 3 × 4 = 24" in words(axes)
        assert axes.get_title() == title


def test_nothing_of_a_long_row_is_cut_off():
    product = ("$A$", (4, 4), "$V$", (4, 3), "$Y$")
    figure = plot_products({"短 | short": [product], "长 | long": [product] * 3}, ["blue", "red"])
    ends = [max(p.get_x() + p.get_width() for p in axes.patches) for axes in figure.axes]
    assert all(axes.get_xlim()[1] > max(ends) for axes in figure.axes)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_each_step_travels_twice_and_fusion_saves_the_trips_between():
    apart, together = plot_trips(["缩放 | scale", "加 | add", "GELU"], "合一 | all").axes
    arrows = [
        sum(isinstance(p, FancyArrowPatch) for p in axes.patches) for axes in (apart, together)
    ]
    assert arrows == [6, 2]
    assert "6" in apart.get_title()
    assert "2" in together.get_title()
