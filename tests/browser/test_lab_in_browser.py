"""JupyterLab on a fresh clone, in a real browser: language buttons, slider, saving, links.

One server and one page for all, in this order: opening JupyterLab is what takes time.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = "08_learned_weights.ipynb"  # it has a slider
LINKING, LINKED = "17_verdicts.ipynb", "05_patch_size.ipynb"
OWN = "mine.ipynb"  # not committed: not trusted
OPTIONS = ["--ServerApp.root_dir=.", "--no-browser", "--allow-root", "--IdentityProvider.token="]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
BUTTON = f"{PANEL} .course-lang button[value=%s]"
# How many texts and outputs of a language are shown.
SHOWN = """(language) => [...document.querySelectorAll(
  `.jp-MarkdownCell:has(span[lang=${language}]), .jp-OutputArea div[lang=${language}]`)]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height).length"""
SHOW_FRAMES = """() => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.scrollToItem(content.widgets.findIndex((cell) =>
    cell.model.sharedModel.getSource().includes('show_frames(')));
}"""
OPENED = """(name) => {
  const context = window.jupyterapp.shell.currentWidget?.context;
  return context?.path.endsWith(name) && context.isReady;
}"""
# How far a section's heading is from the top of its window; nothing while cells are to be drawn.
HEADING = """(id) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  const cell = content.widgets.find((cell) => cell.model.id === id);
  const heading = cell?.node.querySelector('.jp-RenderedMarkdown :is(h1, h2, h3)');
  if (!heading?.checkVisibility() || content.widgets.some((cell) => cell.isPlaceholder()))
    return null;
  return heading.getBoundingClientRect().top - content.node.getBoundingClientRect().top;
}"""
# It returns the widget, which is too deep to be handed over.
OPEN_BESIDE = """async (name) => { await window.jupyterapp.commands.execute(
  'docmanager:open', { path: `notebooks/${name}`, factory: 'Notebook' }); }"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"


def git(folder, *arguments):
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "safe.directory=*"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, check=True, capture_output=True
    ).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The package and a notebook, committed, and a notebook that is not."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "hdd", folder / "hdd", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "notebooks").mkdir()
    for name in (SHIPPED, LINKING, LINKED):
        shutil.copy(ROOT / "notebooks" / name, folder / "notebooks")
    (folder / ".gitignore").write_text("__pycache__\n.ipynb_checkpoints\n", encoding="utf-8")
    for arguments in (["init"], ["add", "."], ["commit", "-m", "a"]):
        git(folder, *arguments)
    own = nbformat.read(folder / "notebooks" / SHIPPED, as_version=4)
    own.cells[0].source += "\n"  # signatures go by the content, not by the name
    nbformat.write(own, folder / "notebooks" / OWN)
    return folder


@pytest.fixture(scope="module")
def address(clone, tmp_path_factory):
    """JupyterLab as `run.py lab` starts it, with nothing remembered."""
    home = tmp_path_factory.mktemp("home")
    places = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("DATA", "CONFIG", "RUNTIME")}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [*OPTIONS, f"--port={port}", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "hdd.teaching.lab", *options],
        cwd=clone,
        env={**os.environ, **places, "PYTHONPATH": str(clone)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield wait_for(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        server.wait()


def wait_for(address, server):
    for _ in range(600):
        try:
            urlopen(f"{address}/api/status", timeout=5)
        except (URLError, OSError):
            assert server.poll() is None, "JupyterLab ended"
            time.sleep(0.2)
        else:
            return address
    raise TimeoutError(address)


@pytest.fixture(scope="module")
def page(chromium, address):
    """A window with the committed notebook."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(120_000)
    open_notebook(page, address, SHIPPED)
    yield page
    context.close()


def open_notebook(page, address, name):
    page.goto(f"{address}/lab/tree/notebooks/{name}?reset")
    page.wait_for_selector(f"{PANEL} .jp-RenderedMarkdown span[lang]", state="attached")
    page.wait_for_selector(f"{PANEL} .course-lang", state="attached")


def shown(page):
    return [page.evaluate(SHOWN, language) > 0 for language in ("zh", "en")]


def test_the_buttons_work_before_anything_is_run_and_after_a_reload(address, page):
    assert shown(page) == [True, True]
    page.locator(BUTTON % "zh").click()
    assert shown(page) == [True, False]
    page.locator(BUTTON % "en").focus()
    page.keyboard.press("Enter")
    assert shown(page) == [False, True]
    open_notebook(page, address, SHIPPED)
    page.wait_for_selector(BUTTON % "en" + "[aria-pressed=true]")
    assert shown(page) == [False, True]


def test_arrow_keys_turn_the_slider(page):
    page.evaluate(SHOW_FRAMES)
    slider = page.locator(f"{PANEL} input[type=range]:visible").first
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "3"
    frames = page.locator(f"{PANEL} .frames:visible").first.locator("img")
    assert [frame.is_visible() for frame in frames.all()].index(True) == 3


def test_opening_and_saving_leaves_git_clean(clone, page):
    path = clone / "notebooks" / SHIPPED
    before = path.stat().st_mtime_ns
    page.evaluate(SAVE)
    for _ in range(300):
        if path.stat().st_mtime_ns != before:
            break
        time.sleep(0.1)
    assert path.stat().st_mtime_ns != before, "not saved"
    assert git(clone, "status", "--short", "--untracked-files=no") == b""


def at_rest(page, cell):
    """Return where a section's heading stays for three seconds."""
    places = []
    while len(places) < 7 or None in places[-7:] or len(set(places[-7:])) > 1:
        assert len(places) < 240, f"{cell} is not at rest: {places[-7:]}"
        places.append(page.evaluate(HEADING, cell))
        page.wait_for_timeout(500)
    return places[-1]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_link_to_a_section_lands_on_its_heading(address, page, language):
    open_notebook(page, address, LINKING)
    page.locator(BUTTON % language).click()
    cell = f"{language}-long"
    page.locator(f"{PANEL} a[href*='{LINKED}'][href$='#cell-id={cell}']:visible").first.click()
    page.wait_for_function(OPENED, arg=LINKED)
    assert 0 <= at_rest(page, cell) < 80  # less than its own margin, and not above the window


def test_a_notebook_that_is_not_trusted_has_both_languages_and_no_dead_button(address, page):
    open_notebook(page, address, OWN)
    assert page.locator(f"{PANEL} .course-lang button").count() == 0
    assert page.locator(f"{PANEL} .course-lang-note").first.is_visible()
    assert shown(page) == [True, True]


def test_a_notebook_that_is_not_trusted_says_how_to_get_buttons_also_beside_others(address, page):
    open_notebook(page, address, SHIPPED)
    page.locator(BUTTON % "en").click()
    page.evaluate(OPEN_BESIDE, OWN)
    page.wait_for_function(OPENED, arg=OWN)
    page.wait_for_selector(f"{PANEL} .course-lang-note:visible")
    assert page.locator(f"{PANEL} .course-lang button").count() == 0
    assert shown(page) == [False, True]  # the reader's choice holds
