"""One build and one browser for all tests of pages and slides.

The browser is a Chromium on the PATH, driven by playwright; without either the tests are skipped.
"""

import json
import shutil

import pytest
from filelock import FileLock

from hdd.teaching.site import __main__ as site_command
from hdd.teaching.site.assets import VENDOR
from hdd.teaching.site.course import load_course

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
AXE = (VENDOR / "axe" / "axe.min.js").read_text(encoding="utf-8")
# Chinese text that a screen reader would be told is English.
FOREIGN = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode()); ) {
    const at = node.parentElement;
    if (at.closest("script, style, .math") || !at.closest("[lang]").lang.startsWith("en")) continue;
    if (/[\\u3400-\\u9fff]/.test(node.data)) found.push(node.data.slice(0, 60));
  }
  return found;
}"""
RULES = """async ([rules, theme, left, passed]) => {
  if (theme) document.documentElement.dataset.theme = theme;
  const options = { resultTypes: ["violations"], preload: false, iframes: false };
  if (rules.length) options.runOnly = { type: "rule", values: rules };
  options.rules = Object.fromEntries(passed.map((rule) => [rule, { enabled: false }]));
  const exclude = left.map((one) => [one]);
  const { violations } = await axe.run(exclude.length ? { exclude } : document, options);
  return violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 200),
      one.nodes[0].failureSummary]);
}"""


@pytest.fixture(scope="session")
def lessons():
    return load_course()


@pytest.fixture(scope="session")
def site(lessons, tmp_path_factory, worker_id):
    """The folder of the built site, and the links that lead nowhere; one for all processes."""
    place = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        place = place.parent
    folder, lost = place / "made" / "我的 课程", place / "lost.json"  # as a reader may name it
    with FileLock(place / "made.lock"):
        if not lost.exists():
            lost.write_text(json.dumps(site_command.build(folder, lessons)), encoding="utf-8")
    return folder, json.loads(lost.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def decks(site):
    """The folder of the built slides."""
    return site[0] / "slides"


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Window:
    """A browser's window that keeps what went wrong: errors on the console, calls to a network."""

    def __init__(self, chromium, **settings):
        self.context = chromium.new_context(
            **{"viewport": {"width": 1280, "height": 720}, **settings}
        )
        self.page = self.context.new_page()
        self.wrong = []
        self.page.on("console", lambda m: m.type == "error" and self.wrong.append(m.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._ask)
        self.page.on("requestfailed", self._fail)

    def _ask(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(f"network: {request.url}")

    def _fail(self, request):
        if "ABORTED" not in request.failure:  # the reader was gone to another page
            self.wrong.append(f"{request.failure}: {request.url}")

    def open(self, path, query=""):
        self.page.goto(path.as_uri() + query)
        return self.page

    def foreign(self):
        """Return the Chinese texts of the open page that are said to be English."""
        return self.page.evaluate(FOREIGN)

    def violations(self, rules=(), theme="", without=(), passed_over=()):
        """Return axe's serious and critical violations of the open page.

        Args:
            rules: the rules to apply, all if none is named.
            theme: the page's colours, light or dark.
            without: selectors of parts that are not looked at.
            passed_over: rules that are not applied.
        """
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        asked = [list(rules), theme, list(without), list(passed_over)]
        return self.page.evaluate(RULES, asked)


@pytest.fixture(scope="module")
def window(chromium):
    window = Window(chromium)
    yield window
    window.context.close()


@pytest.fixture(scope="module")
def paper(chromium):
    """A window as wide as A4 between its margins, that shows pages as a printer would."""
    window = Window(chromium, viewport={"width": 680, "height": 960})
    window.page.emulate_media(media="print")
    yield window
    window.context.close()


@pytest.fixture
def light_window(chromium):
    """A window of a reader who has chosen nothing yet and whose system is light."""
    window = Window(chromium, color_scheme="light")
    yield window
    window.context.close()


@pytest.fixture(scope="module")
def phone(chromium):
    size = {"width": 390, "height": 844}
    window = Window(chromium, viewport=size, has_touch=True, is_mobile=True)
    yield window
    window.context.close()
