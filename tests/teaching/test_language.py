import re

import pytest

from hdd.teaching.language import both, by_language, language_switch, split, to_html


def test_language_switch_draws_its_buttons_by_script_alone():
    html = language_switch().data
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert "<button" not in outside  # a sanitised page shows none that is dead
    assert "onclick" not in outside
    for text in ("运行本单元格", "Run this cell"):
        assert text in outside
    for label in ("中文", "English", "双语"):
        assert label in html
    assert "http" not in html  # works without a network


def test_language_switch_hides_texts_and_outputs_of_the_other_language():
    html = language_switch().data
    for shown, hidden in (("zh", "en"), ("en", "zh")):
        start = rf"body\[data-course-lang={shown}\] :is\(\.jp-"
        # As JupyterLab names cells and outputs, and as the classic Notebook does.
        text = rf"MarkdownCell, \.text_cell\):has\(span\[lang={hidden}\]\),\n"
        assert re.search(start + text, html)
        output = rf"OutputArea, \.output_area\) \[lang={hidden}\] \{{ display: none"
        assert re.search(start + output, html)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("准确率 | accuracy", ("准确率", "accuracy")),
        ("0.5", ("0.5", "0.5")),
        ("", ("", "")),
        ("$W_2W_1$", ("$W_2W_1$", "$W_2W_1$")),
        ("条件 $p(a | b)$ | given $p(a | b)$", ("条件 $p(a | b)$", "given $p(a | b)$")),
        ("第一行\n第二行 | first\nsecond", ("第一行\n第二行", "first\nsecond")),
        ("a|b", ("a|b", "a|b")),
    ],
)
def test_a_text_splits_into_its_languages(text, parts):
    assert split(text) == parts


def test_two_separators_are_refused():
    with pytest.raises(ValueError, match=r"'甲 \| a \| b' has 2 separators.*Fix:"):
        split("甲 | a | b")


def test_what_needs_both_languages_says_so():
    assert both("甲 | a", "name") == ("甲", "a")
    for text in ("abc", "", "甲 | 甲", " | a"):
        with pytest.raises(ValueError, match=r"name=.* is in one language\. Fix: write"):
            both(text, "name")


def test_html_by_language():
    assert by_language("甲", "a") == '<div lang="zh">甲</div><div lang="en">a</div>'
    assert to_html("if `a < b`") == "if <code>a &lt; b</code>"
