import re

import nbformat
import pytest

from hdd.teaching.glossary import FILE, PAGE, glossary_notebook, glossary_page, load_glossary

TERMS = load_glossary()


def test_the_glossary_covers_the_course():
    assert len(TERMS) >= 80
    assert {term.first for term in TERMS} == {f"{n:02d}" for n in range(18)}


@pytest.mark.parametrize("field", ["zh", "en"])
def test_a_word_means_one_thing(field):
    words = [getattr(term, field).lower() for term in TERMS]
    assert sorted(words) == sorted(set(words))
    symbols = [term.symbol for term in TERMS if term.symbol]
    assert sorted(symbols) == sorted(set(symbols))


def test_a_term_has_one_sentence_a_language():
    for term in TERMS:
        assert re.fullmatch("[^。]+。", term.sentence_zh), term
        assert re.fullmatch(r"[A-Z].*[^.]\.", term.sentence_en), term
        assert not re.search(r"[\u4e00-\u9fff]", term.en + term.sentence_en), term
        assert "|" not in term.sentence_zh + term.sentence_en, term


def test_the_page_is_made_from_the_glossary():
    page = nbformat.read(PAGE, as_version=4)
    made = glossary_notebook(TERMS)
    assert [cell.source for cell in page.cells] == [cell.source for cell in made.cells]


def test_each_language_has_its_page():
    chinese, english = (glossary_page(TERMS, language) for language in ("zh", "en"))
    for term in TERMS:
        assert f"| {term.zh} | {term.en} | {term.symbol} | {term.sentence_zh} |" in chinese
        assert f"| {term.en} | {term.zh} | {term.symbol} | {term.sentence_en} |" in english


def test_another_sense_names_languages_and_later_lessons():
    lessons = {term.first for term in TERMS}
    for term in TERMS:
        assert term.other_sense.keys() <= {"zh", "en"}
        for places in term.other_sense.values():
            assert set(places) <= lessons
            assert min(places) > term.first


def test_an_entry_with_a_wrong_field_is_named(tmp_path):
    file = tmp_path / FILE.name
    file.write_text('- {zh: "甲", en: "a", frist: "00"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"'frist'.*Fix: the fields are zh, en, first"):
        load_glossary(file)
