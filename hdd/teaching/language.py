"""A row of buttons that shows a notebook in Chinese, in English, or in both.

Every markdown cell of the series begins with `<span lang="zh"></span>` or `lang="en"`. The style
rule below hides the cells of the other language, in JupyterLab and in exported HTML alike; it needs
no network and no extension. The browser remembers the choice for the next notebook.
"""

from IPython.display import HTML

_HTML = """
<style>
body[data-course-lang=zh] .jp-MarkdownCell:has(span[lang=en]) { display: none !important; }
body[data-course-lang=en] .jp-MarkdownCell:has(span[lang=zh]) { display: none !important; }
.course-lang button { font: inherit; margin-right: .5em; padding: .3em 1em; cursor: pointer;
  border: 1px solid #888; border-radius: 1em; background: #fff; color: #222; }
body:not([data-course-lang=zh]):not([data-course-lang=en]) .course-lang button[value=both],
body[data-course-lang=zh] .course-lang button[value=zh],
body[data-course-lang=en] .course-lang button[value=en] { background: #0072B2; color: #fff; }
</style>
<div class="course-lang" role="group" aria-label="语言 / Language">
<button value="zh" onclick="%(choose)s">中文</button>
<button value="en" onclick="%(choose)s">English</button>
<button value="both" onclick="%(choose)s">双语 / Both</button>
</div>
<script>
try {
  document.body.dataset.courseLang = localStorage.getItem('course-lang') || 'both';
} catch (error) { /* no storage in a private window: both languages show */ }
</script>
"""
_CHOOSE = (
    "document.body.dataset.courseLang = this.value; "
    "try { localStorage.setItem('course-lang', this.value); } catch (error) {}"
)


def language_switch() -> HTML:
    """Return the buttons 中文 / English / both for display at the top of a notebook."""
    return HTML(_HTML % {"choose": _CHOOSE})
