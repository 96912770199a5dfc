import base64
import io
import logging
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from PIL import Image

from hdd.teaching import show as module
from hdd.teaching.show import show, show_drawing, show_frames, show_table
from hdd.visualization.style import use_style


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed; a label with a glyph that no font has fails the test."""
    bundles = []
    kinds = ("text/html", "text/plain")
    monkeypatch.setattr(
        module, "display_html", lambda *texts: bundles.append(dict(zip(kinds, texts, strict=True)))
    )
    with plt.rc_context():
        use_style()
        yield bundles
    plt.close("all")


def images(page):
    return re.findall(r'<div lang="(zh|en)">.*?base64,([^"]*)" alt="([^"]*)"', page, flags=re.S)


def stated_sizes(page):
    """Return width and height of each picture, as a browser knows them before it has drawn any."""
    found = re.findall(r'<img [^>]* width="(\d+)" height="(\d+)"[^>]*; height: auto">', page)
    return [(int(width), int(height)) for width, height in found]


def pixels(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_palette_is_used_only_where_nobody_sees_it(shown):
    few, many = np.zeros((2, 2, 3)), np.random.default_rng(0).random((40, 40, 3))
    for content, mode in ((few, "P"), (many, "RGB")):
        figure, axes = plt.subplots(figsize=(4, 4))
        axes.imshow(content)
        show(figure, "许多彩色方格组成的图像 | an image of coloured squares")
        for _, data, _ in images(shown[-1]["text/html"]):
            picture = pixels(data)
            assert picture.mode == mode
        if mode == "RGB":
            colors = {color for _, color in picture.getcolors(1 << 24)}
            wanted = (255 * many + 0.5).astype(int).reshape(-1, 3)
            near = [min(abs(c - w).max() for c in map(np.array, colors)) for w in wanted[:20]]
            assert max(near) <= 2


def drawn_texts(figure, monkeypatch):
    """Return the texts that each language's picture contains."""
    pages, current = [], []
    original = Text.draw

    def draw(self, renderer):
        if self.get_visible() and self.get_text():
            current.append(self.get_text())
        return original(self, renderer)

    monkeypatch.setattr(Text, "draw", draw)
    savefig = type(figure).savefig

    def save(self, *args, **kwargs):
        current.clear()
        savefig(self, *args, **kwargs)
        pages.append(set(current))

    monkeypatch.setattr(type(figure), "savefig", save)
    show(figure, alt="图中有线和条 | lines and bars")
    return pages


def speaking_figure():
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    left.plot([1, 2, 3], label="第 1 层 | layer 1")
    left.set(xlabel="轮 | epoch", ylabel="$W_2W_1$ 的秩 | rank of $W_2W_1$", title="左 | left")
    left.legend(title="层 | layer")
    left.set_xticks([0, 1], labels=["始 | start", "末 | end"])
    left.annotate("看 | look", (1, 2))
    right.bar(["混合 | mixing", "C"], [1, 2])
    image = right.imshow([[0, 1]], aspect="auto")
    figure.colorbar(image, ax=right, label="权重 | weight")
    figure.suptitle("总题 | whole")
    return figure


def test_every_text_of_a_figure_speaks_the_page_s_language(shown, monkeypatch):
    chinese, english = drawn_texts(speaking_figure(), monkeypatch)
    expected = {
        *("第 1 层=layer 1", "轮=epoch", "$W_2W_1$ 的秩=rank of $W_2W_1$", "左=left", "层=layer"),
        *("始=start", "末=end", "看=look", "混合=mixing", "权重=weight", "总题=whole"),
    }
    for pair in expected:
        zh, en = pair.split("=")
        assert zh in chinese
        assert en in english
        assert en not in chinese
        assert zh not in english
    assert "C" in chinese & english
    assert not any(" | " in text for text in chinese | english)


def small_figure():
    figure, axes = plt.subplots(figsize=(4, 2))
    axes.set(title="左 | left", xticks=[], yticks=[])
    return figure


def test_show_gives_a_small_picture_a_language_with_alt_text_and_closes(shown):
    for _ in range(2):
        figure = small_figure()
        figure.text(0.5, 0.5, "9.5", fontsize=9.5)
        show(figure, alt='线与 "条" | lines & bars')
    bundle, again = shown
    assert bundle == again  # to the byte
    assert bundle["text/html"].count(f'data-text="{9.5 * module.DPI / 72:.1f}"') == 2
    assert figure.axes[0].get_title() == "左 | left"  # keeps its texts
    assert Text(0, 0, "甲 | a").get_text() == "甲 | a"
    assert bundle["text/plain"] == '线与 "条"\nlines & bars'
    (zh, first, alt_zh), (en, second, alt_en) = images(bundle["text/html"])
    assert (zh, en) == ("zh", "en")
    assert (alt_zh, alt_en) == ("线与 &quot;条&quot;", "lines &amp; bars")
    assert first != second
    for data in (first, second):
        assert pixels(data).mode == "P"  # palette
        assert pixels(data).width == 4 * module.DPI
        assert len(data) < 8_000
    assert stated_sizes(bundle["text/html"]) == [pixels(first).size] * 2
    assert not plt.fignum_exists(figure.number)


def test_a_color_of_few_pixels_is_kept(shown):
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    noise = np.random.default_rng(0).random((64, 64))
    left.imshow(noise, cmap="cividis")
    pale = right.imshow(0.4 + 0.2 * noise, cmap="RdBu_r", vmin=0, vmax=1)
    figure.colorbar(pale, ax=right, location="bottom")
    show(figure, alt="两幅噪声 | two maps of noise")
    drawn = np.asarray(pixels(images(shown[0]["text/html"])[0][1]).convert("RGB"), dtype=int)
    for end in (0.0, 1.0):  # the ends of the bar have few pixels
        wanted = np.array(plt.get_cmap("RdBu_r")(end)[:3]) * 255
        assert abs(drawn - wanted).max(axis=-1).min() < 8


def test_chinese_with_a_formula_has_no_empty_boxes(shown, caplog, recwarn):
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.set_title("验证准确率 ≥ 90 %：$\\sigma_1^2$ 与 “引号” | validation ≥ 90 %: $\\sigma_1^2$")
    axes.set_xlabel("−3 × 轮 → ✓ σ² | −3 × epoch → ✓ σ²")
    with caplog.at_level(logging.WARNING):
        show(figure, alt="标题 | a title")
    assert not caplog.records
    assert not [warning for warning in recwarn if "lyph" in str(warning.message)]


def test_small_text_is_refused(shown):
    figure, axes = plt.subplots(figsize=(8, 3))
    axes.set_title("看不清 | too small", fontsize=6)
    with pytest.raises(ValueError, match=r"'看不清 \| too small' is 6.9 pt.*Fix:"):
        show(figure, alt="图 | figure")
    figure, axes = plt.subplots(figsize=(14, 3))  # shrinks to the page's width
    axes.set_title("宽 | wide")
    with pytest.raises(ValueError, match="inches wide"):
        show(figure, alt="图 | figure")


@pytest.mark.parametrize("alt", ["only English", ""])
def test_alt_text_is_needed_in_both_languages(shown, alt):
    figure, _ = plt.subplots(figsize=(4, 3))
    with pytest.raises(ValueError, match="Fix: write"):
        show(figure, alt=alt)


def test_a_drawing_has_a_file_for_each_language(shown, tmp_path):
    files = [tmp_path / "zh.png", tmp_path / "en.png"]
    for file, width in zip(files, (1600, 300), strict=True):
        Image.new("RGB", (width, 20)).save(file)
    show_drawing(*files, alt="一张图 | drawing")
    (bundle,) = shown
    found = images(bundle["text/html"])
    assert [(language, alt) for language, _, alt in found] == [
        ("zh", "一张图"),
        ("en", "drawing"),
    ]
    assert [pixels(data).width for _, data, _ in found] == [1600, 300]
    sizes = stated_sizes(bundle["text/html"])
    assert sizes[0] == (1200, 15)  # it fits the page, and is sharp there
    assert sizes[1] == (300, 20)


def test_what_is_no_picture_is_named(shown, tmp_path):
    text, picture = tmp_path / "README.md", tmp_path / "en.png"
    text.write_text("# title")
    Image.new("RGB", (30, 20)).save(picture)
    with pytest.raises(ValueError, match=r"chinese='.*README\.md' is no picture\. Fix: a PNG"):
        show_drawing(text, picture, alt="图 | drawing")
    with pytest.raises(ValueError, match="english="):
        show_drawing(picture, text, alt="图 | drawing")


def test_frames_have_a_slider_a_language_and_alt_texts(shown):
    figures = [small_figure() for _ in range(3)]
    show_frames(figures, ["第 0 轮 | epoch 0", "第 1 轮 | epoch 1", 2], alt="变化 | change")
    page = shown[0]["text/html"]
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert alts == [f"变化: {name}" for name in ("第 0 轮", "第 1 轮", "2")] + [
        f"change: {name}" for name in ("epoch 0", "epoch 1", "2")
    ]
    assert stated_sizes(page) == [(4 * module.DPI, 2 * module.DPI)] * 6
    assert re.findall(r'<input type="range" min="0" max="(\d)" [^>]*aria-label="(\w+)"', page) == [
        ("2", "变化"),
        ("2", "change"),
    ]
    assert plt.get_fignums() == []


TABLE = [
    {"模型 | model": "我们的 | ours", "参数 | parameters": 1099146, "准确率 | accuracy": 0.8123},
    {"模型 | model": "ResNet <18>", "参数 | parameters": 272474, "准确率 | accuracy": None},
]


def cells(table):
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_a_table_comes_in_both_languages(shown):
    show_table(TABLE, "比较 | Comparison", digits={"准确率 | accuracy": ".1%"})
    page, plain = shown[0]["text/html"], shown[0]["text/plain"]
    halves = dict(re.findall(r'<div lang="(zh|en)">(.*?)</div>', page, flags=re.S))
    for language, words in {
        "zh": ["比较", "模型", "参数", "准确率", "我们的"],
        "en": ["Comparison", "model", "parameters", "accuracy", "ours"],
    }.items():
        assert cells(halves[language]) == [
            words[1:4],
            [words[4], "1,099,146", "81.2%"],
            ["ResNet &lt;18&gt;", "272,474", "–"],
        ]
        assert f"<caption>{words[0]}</caption>" in halves[language]
        assert all(word in plain for word in words)
    assert len(re.findall('<th scope="col"', page)) == 6
    assert len(re.findall('<th scope="row"', page)) == 4
    assert len(re.findall('<td style="text-align: right">', page)) == 8


def test_a_data_frame_keeps_an_index_with_names(shown):
    index = pd.Index(["甲 | first", "乙 | second"], name="行 | row")
    show_table(pd.DataFrame({"n": [1, 2], "x": [0.5, np.nan]}, index=index), "表 | table", digits=3)
    plain = shown[0]["text/plain"]
    assert plain == (
        "表\n行\tn\tx\n甲\t1\t0.500\n乙\t2\t–\n\ntable\nrow\tn\tx\nfirst\t1\t0.500\nsecond\t2\t–"
    )


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        ({"准确率 | accuracy": -1}, "digits=-1 must be a whole number"),
        ({"准确率": 1}, r"digits='准确率' is unknown\. Fix: one of .*'准确率 \| accuracy'"),
        ("q", "digits='q' does not format 1099146 in '参数 | parameters'"),
    ],
)
def test_digits_that_do_not_fit_the_table_are_refused(shown, digits, message):
    with pytest.raises(ValueError, match=message):
        show_table(TABLE, "比较 | Comparison", digits)
    assert not shown


def test_digits_may_name_the_index_too(shown):
    frame = pd.DataFrame({"x": [0.5]}, index=pd.Index([1], name="n"))
    show_table(frame, "表 | table", digits={"n": 0, "x": 1})
    assert "1\t0.5" in shown[0]["text/plain"]


def test_a_table_needs_its_caption_in_both_languages(shown):
    with pytest.raises(ValueError, match="caption="):
        show_table(TABLE, "Comparison")
