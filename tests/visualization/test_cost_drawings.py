from matplotlib.patches import FancyArrowPatch, Rectangle

from hdd.visualization.cost_drawings import (
    plot_chains,
    plot_parts,
    plot_products,
    plot_roof,
)


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


def test_a_roof_bends_where_memory_and_processor_allow_the_same():
    points = {"相加 | adding": (1 / 12, 4.0, "black"), "n = 64": (5.3, 80.0, "black")}
    axes = plot_roof(points, 50.0, 100.0, "题 | title").axes[0]
    roof = axes.lines[0]
    assert (2.0, 100.0) in zip(*roof.get_data(), strict=True)
    assert "相加：4（96%） | adding: 4 (96%)" in words(axes)
    assert "n = 64：80（80%） | n = 64: 80 (80%)" in words(axes)
    assert any("50 GB/s" in text for text in words(axes))


def test_an_operation_left_out_leaves_its_place_empty():
    chains = {
        "长 | long": ["归一 | norm", "复制 | copy", "$W$ ·"],
        "短 | short": ["归一 | norm", None, "$W$ ·"],
    }
    axes = plot_chains(chains, "题 | title").axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert (len(boxes), len(arrows)) == (5, 2 + 1)
    assert boxes[2].get_x() == boxes[4].get_x()


def test_the_parts_of_a_bar_add_up_to_its_total():
    kinds = {"乘法 | products": 0.5, "GELU": 0.25, "优化 | optimizer": 0.05, "其余 | rest": 0.2}
    parts = {"一步 | step": kinds, "下限 | floor": {"乘法 | products": 1.0}}
    axes = plot_parts({"一步 | step": 80.0, "下限 | floor": 30.0}, parts, "题 | title").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [40.0, 20.0, 4.0, 16.0, 30.0]
    assert words(axes) == ["40 ms", "20 ms", "4.0 ms", "16 ms", " 80 ms", "30 ms", " 30 ms"]
