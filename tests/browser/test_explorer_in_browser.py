"""The explorer in a real browser: whatever a reader does to it, it answers as PyTorch does."""

import io
import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from explorer_by_torch import OFF, STATISTICS, expected, supplied_images, trained_net
from PIL import Image

from hdd.teaching import explorer

CLASSES = json.loads(explorer.read("texts.json"))["en"]["classes"].split()
SIZES = [(1280, 720), (1100, 800), (830, 900), (600, 800), (390, 844)]
SETTLED = """async () => {
  await new Promise((go) => setTimeout(go));
  await whenSettled();
  await new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
}"""
# What hangs out of its button, its panel or the page.
CUT = """() => [...document.querySelectorAll("button, label, p, li, h1, h2, h3, h4, output")]
  .filter((e) => e.offsetParent && !e.closest(".hidden"))
  .filter((e) => {
    const box = e.getBoundingClientRect();
    const panel = e.closest(".panel")?.getBoundingClientRect() ?? { right: innerWidth };
    const cut = getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1;
    return cut || box.right > Math.min(panel.right, document.documentElement.clientWidth) + 1;
  })
  .map((e) => `${e.tagName}: ${e.textContent.slice(0, 40)}`)"""
DROP = """(files) => {
  const dataTransfer = new DataTransfer();
  for (const [name, type, bytes] of files)
    dataTransfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def net():
    return trained_net()


@pytest.fixture(scope="module")
def supplied():
    return supplied_images()


def started(window, language="en"):
    page = window.open(explorer.PAGE, f"?lang={language}")
    page.wait_for_function("answers.trace !== null", timeout=60_000)
    return page


@pytest.fixture(scope="module")
def opened(window):
    return started(window)


@pytest.fixture
def page(opened, window):
    """The page with everything undone."""
    if opened.get_by_role("button", name="Undo everything").is_enabled():
        opened.get_by_role("button", name="Undo everything").click()
    yield opened
    assert window.wrong == []


# ---- interventions: what a reader clicks, and what should come of it


@dataclass
class Touched:
    """What should have become of image and network."""

    original: np.ndarray
    places: list = field(default_factory=lambda: list(range(64)))
    dark: list = field(default_factory=lambda: [False] * 64)
    shift: list = field(default_factory=lambda: [0, 0])
    settings: dict = field(
        default_factory=lambda: {k: v if k == "depth" else list(v) for k, v in OFF.items()}
    )

    def pixels(self):
        mean = np.round(255 * np.array(STATISTICS["mean"])).astype(np.uint8)
        wide = np.broadcast_to(mean, (96, 96, 3)).copy()
        right, down = self.shift
        wide[32 + down : 64 + down, 32 + right : 64 + right] = self.original
        patches = wide[32:64, 32:64].reshape(8, 4, 8, 4, 3).swapaxes(1, 2).reshape(64, 4, 4, 3)
        patches = patches[self.places]
        patches[self.dark] = 0
        return patches.reshape(8, 8, 4, 4, 3).swapaxes(1, 2).reshape(32, 32, 3)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def at_place(page, place):
    box = page.locator("#image-body canvas").first.bounding_box()
    size = box["width"] / 8
    spot = {"x": (place % 8 + 0.5) * size, "y": (place // 8 + 0.5) * size}
    page.locator("#image-body canvas").first.click(position=spot)


def swap(page, to, a, b):
    press(page, "Swap")
    at_place(page, a)
    at_place(page, b)
    for values in (to.places, to.dark):
        values[a], values[b] = values[b], values[a]


def move(page, to, a, b):
    press(page, "Move")
    at_place(page, a)
    at_place(page, b)
    if a != b:
        to.places[b], to.dark[b], to.dark[a] = to.places[a], to.dark[a], True


def black_out(page, to, *places):
    press(page, "Black out")
    for place in places:
        at_place(page, place)
        to.dark[place] = not to.dark[place]


def black_out_all(page, to, *but):
    """Black out every place but some; that a click does it, other scenes show."""
    to.dark = [place not in but for place in range(64)]
    page.evaluate("(dark) => set({ changes: { ...state.changes, dark } })", to.dark)


def shuffle(page, to):
    press(page, "Shuffle all")
    to.places = page.evaluate("state.changes.places")
    assert sorted(to.places) == list(range(64)) != to.places


def shift(page, to, right, down):
    for axis, pixels, names in ((0, right, ("left", "right")), (1, down, ("up", "down"))):
        for _ in range(abs(pixels)):
            press(page, f"Shift {names[pixels > 0]} by 1 pixel")
        to.shift[axis] = max(-16, min(16, to.shift[axis] + pixels))  # farther it does not go


def switch(page, to, kind, *blocks):
    """Switch a mixing of some blocks, all if none is named."""
    if not blocks:
        page.get_by_role("switch", name=f"All {kind} mixing").click()
    for block in blocks:
        name = f"{kind.capitalize()} mixing of block {block}"
        page.get_by_role("switch", name=name).click()
    for block in blocks or range(1, 9):
        to.settings[f"{kind}Off"][block - 1] ^= True


def use_blocks(page, to, depth):
    page.locator("#depth").focus()
    for key in ["Home"] + ["ArrowRight"] * depth:
        page.keyboard.press(key)
    to.settings["depth"] = depth


def silence(page, to, kind, block, unit):
    page.get_by_role("tab", name="Hidden unit").click()
    page.get_by_role("button", name=f"{kind.capitalize()} mixing").last.click()
    for label, number in (("Block", block), ("Unit", unit)):
        page.get_by_label(label, exact=False).last.fill(str(number))
        page.keyboard.press("Enter")
    press(page, "Silence this unit")
    to.settings["silenced"].append({"kind": kind, "block": block - 1, "unit": unit - 1})


def silence_block(page, to, block):
    """Silence all units of both mixings of a block."""
    for kind, count in (("token", 32), ("channel", 512)):
        silent = [{"kind": kind, "block": block - 1, "unit": unit} for unit in range(count)]
        to.settings["silenced"] += silent
    page.evaluate("(silenced) => setSettings({ silenced })", to.settings["silenced"])


# image (a supplied one, "drawn" or "dropped"), then what is done: (function, arguments) ...
SCENES = {
    "a swap": (7, (swap, 27, 36)),
    "two swaps that share a place": (1, (swap, 0, 63), (swap, 63, 27)),
    "a swap of the drawing": ("drawn", (swap, 27, 28)),
    "a shuffle": (7, (shuffle,)),
    "a shuffle of the file": ("dropped", (shuffle,)),
    "two shuffles": (13, (shuffle,), (shuffle,)),
    "a black patch": (4, (black_out, 27)),
    "a black row": (8, (black_out, *range(24, 32))),
    "a patch black and back": (7, (black_out, 27, 28, 27)),
    "a black corner of the drawing": ("drawn", (black_out, 0, 1, 8, 9)),
    "a moved patch": (7, (move, 18, 45)),
    "a moved patch of the file": ("dropped", (move, 0, 63)),
    "moved twice": (15, (move, 27, 0), (move, 0, 7)),
    "one pixel right": (7, (shift, 1, 0)),
    "up and left": (2, (shift, -3, -2)),
    "the file down": ("dropped", (shift, 0, 5)),
    "no token mixing in block 1": (7, (switch, "token", 1)),
    "no token mixing in block 8": (5, (switch, "token", 8)),
    "no token mixing": (7, (switch, "token")),
    "no token mixing for the drawing": ("drawn", (switch, "token")),
    "token mixing in one block only": (7, (switch, "token"), (switch, "token", 3)),
    "no channel mixing in block 4": (7, (switch, "channel", 4)),
    "no channel mixing": (9, (switch, "channel")),
    "neither mixing": (7, (switch, "token"), (switch, "channel")),
    "halves of several blocks": (6, (switch, "token", 2, 5), (switch, "channel", 5, 7)),
    "no block": (7, (use_blocks, 0)),
    "three blocks": (10, (use_blocks, 3)),
    "seven blocks": ("dropped", (use_blocks, 7)),
    "a silent token unit": (7, (silence, "token", 4, 26)),
    "a silent channel unit": (7, (silence, "channel", 8, 461)),
    "silent units of both kinds": (3, (silence, "token", 1, 6), (silence, "channel", 1, 186)),
    "shuffled without token mixing": (7, (switch, "token"), (shuffle,)),
    "swapped, shifted, darkened": (0, (swap, 10, 50), (shift, 2, 1), (black_out, 20)),
    "a black patch swapped": (1, (black_out, 27), (swap, 27, 60)),
    "moved onto a black place": (16, (black_out, 9), (move, 30, 9)),
    "fewer blocks, one half off": (7, (use_blocks, 6), (switch, "channel", 2)),
    "a silent unit in a half that is off": (7, (silence, "token", 4, 26), (switch, "token", 4)),
    "shifted as far as it goes": (7, (shift, 18, -17)),
    "every patch black": (11, (black_out_all,)),
    "every patch black but one, moved": (3, (black_out_all, 0), (move, 0, 36)),
    "a patch swapped with itself": (7, (swap, 27, 27)),
    "a patch moved onto itself": (12, (move, 27, 27), (move, 27, 28)),
    "all units of a block silent": (7, (silence_block, 1)),
    "all units of the last block silent": (18, (silence_block, 8), (shift, -1, 0)),
    "no block, shuffled and dark": ("drawn", (shuffle,), (black_out, 3), (use_blocks, 0)),
    "one block with one half": ("dropped", (use_blocks, 1), (switch, "token", 1)),
    "shifted, shuffled, a half off": (17, (shift, -7, 5), (shuffle,), (switch, "channel", 6)),
    "black, moved, then shuffled": (19, (black_out, 0, 63), (move, 1, 62), (shuffle,)),
    "all but one half of each kind off": (
        *(2, (switch, "token"), (switch, "channel")),
        *((switch, "token", 8), (switch, "channel", 1)),
    ),
    "all at once": (
        *(14, (shift, 1, 1), (swap, 3, 4), (black_out, 40), (switch, "token", 6)),
        *((switch, "channel", 2), (use_blocks, 7), (silence, "token", 1, 6)),
    ),
    "all at once on the drawing": (
        *("drawn", (shuffle,), (black_out, 5), (switch, "channel", 8)),
        (silence, "token", 7, 16),
    ),
    "all at once on the file": (
        *("dropped", (shift, -2, 3), (move, 12, 13), (switch, "token", 1, 2), (use_blocks, 5)),
    ),
}


def choose(page, image, supplied):
    """Choose an image as a reader does; return its pixels."""
    if image == "dropped":
        y, x = np.mgrid[:32, :32]
        pixels = np.stack([8 * x, 255 - 8 * y, 4 * (x + y)], axis=-1).astype(np.uint8)
        drop(page, "gradient.png", png(Image.fromarray(pixels)))
        page.wait_for_function("state.supplied === null && state.original[0] === 0")
        return pixels
    if image == "drawn":
        press(page, "Draw one")
        box = page.locator("#pad canvas").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 180, steps=4)
        page.mouse.up()
        press(page, "Done")
        pixels = np.array(page.evaluate("[...state.original]"), np.uint8).reshape(32, 32, 3)
        assert pixels[15, 16].max() < 60 < pixels[2, 28].min()  # a black stroke, a pale ground
        return pixels
    page.locator(".gallery button").nth(image).click()
    return supplied[image]


def test_a_tap_on_the_pad_leaves_a_dot(page):
    press(page, "Draw one")
    box = page.locator("#pad canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    press(page, "Done")
    pixels = np.array(page.evaluate("[...state.original]"), np.uint8).reshape(32, 32, 3)
    assert pixels[15:17, 15:17].max() < 100 < pixels[2, 28].min()


def png(image):
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def drop(page, name, content, kind="image/png"):
    page.evaluate(DROP, [[name, kind, list(content)]])


@pytest.mark.parametrize("name", SCENES)
def test_an_intervention_gives_the_probabilities_of_torch(page, net, supplied, name):
    image, *steps = SCENES[name]
    to = Touched(choose(page, image, supplied))
    for act, *arguments in steps:
        act(page, to, *arguments)
    page.evaluate(SETTLED)
    wanted = expected(net, to.pixels()[None], to.settings)[0].softmax(0).numpy()
    shown = np.array(page.evaluate("softmax(answers.logits)"))
    assert np.abs(shown - wanted).max() < 0.005
    assert shown.argmax() == wanted.argmax()
    best = CLASSES[wanted.argmax()]
    assert page.locator(".headline").inner_text().startswith(f"Now: {best} ")
    bars = page.locator(".bars .value").all_inner_texts()
    assert [float(text.strip(" %")) / 100 for text in bars] == pytest.approx(shown, abs=0.00051)


# ---- what the page says of it


def test_what_was_changed_is_said_exactly(page, supplied):
    to = Touched(choose(page, 7, supplied))
    shift(page, to, -1, 2)
    switch(page, to, "token", 1, 3)
    page.evaluate(SETTLED)
    first, second = page.locator(".changed li").all_inner_texts()
    assert "1 px left, 2 px down" in first
    assert second.endswith(": 1, 3")
    every = page.get_by_role("switch", name="All token mixing")
    line = "e => getComputedStyle(e).textDecorationLine"
    assert every.evaluate(line) == "none"  # most blocks still mix
    every.click()
    every.click()
    page.evaluate(SETTLED)
    assert page.locator(".changed li").nth(1).inner_text().startswith("No token mixing at all")
    assert every.evaluate(line) == "line-through"


def test_the_readout_says_what_the_table_shows(page, supplied):
    to = Touched(choose(page, 7, supplied))
    page.evaluate("set({ stage: 0, token: 4, channel: 41 })")
    press(page, "Change")
    page.evaluate(SETTLED)
    assert "same as untouched" in page.locator("#table-panel h3").inner_text()
    assert page.locator(".readout").inner_text().endswith("change 0.000")
    swap(page, to, 4, 27)
    page.evaluate(SETTLED)
    page.evaluate("set({ token: 4 })")
    page.evaluate(SETTLED)
    tables = "[answers.trace, answers.base].map(({ tables }) => tables[0][4 * 128 + 41])"
    now, before = page.evaluate(tables)
    said = page.locator(".readout").inner_text().split()[-1].replace("−", "-")
    assert float(said) == pytest.approx(now - before, abs=0.00051) != 0
    assert "same as" not in page.locator("#table-panel h3").inner_text()
    press(page, "Values")


# ---- the reader's own pictures


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_file_that_is_no_image_is_named_and_changes_nothing(page, language):
    page.locator(f"[data-language={language}]").click()
    before = page.evaluate("[...state.original]")
    drop(page, "notes.png", b"no picture at all")
    hint = page.locator("#image .hint")
    page.wait_for_function("state.unreadable === 'notes.png'")
    page.evaluate("render()")
    page.evaluate(SETTLED)
    assert "notes.png" in hint.inner_text()
    assert page.evaluate("[...state.original]") == before
    page.locator(".gallery button").nth(3).click()
    page.evaluate(SETTLED)
    assert "notes.png" not in hint.inner_text()
    page.locator("[data-language=en]").click()


def drop_and_read(page, name, content, kind="image/png"):
    """Drop a file; return the 32 x 32 pixels that the network gets."""
    page.evaluate("set({ supplied: 0, original: suppliedImage(0) })")
    drop(page, name, content, kind)
    page.wait_for_function("state.supplied === null", timeout=20_000)
    page.evaluate(SETTLED)
    return np.array(page.evaluate("[...state.original]")).reshape(32, 32, 3)


def test_transparency_lies_on_white(page):
    image = Image.new("RGBA", (64, 64), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 32, 64))
    seen = drop_and_read(page, "half.png", png(image))
    assert (np.abs(seen[:, :15] - [0, 0, 200]) <= 1).all()
    assert (np.abs(seen[:, 17:] - 255) <= 1).all()


def test_of_a_huge_wide_picture_the_middle_is_averaged(page):
    stripes = np.zeros((3000, 5000), np.uint8)
    stripes[:, 1000:4000:2] = 200  # fine stripes in the middle, black at both sides
    seen = drop_and_read(page, "huge.png", png(Image.fromarray(stripes)))
    assert (np.abs(seen - 100) <= 3).all()


def test_a_picture_of_a_few_pixels_is_scaled_up(page):
    seen = drop_and_read(page, "dot.png", png(Image.new("RGB", (2, 3), (10, 120, 230))))
    assert (np.abs(seen - [10, 120, 230]) <= 1).all()


def moving(kind):
    """Return a picture of two frames, red and then blue."""
    file = io.BytesIO()
    red, blue = (Image.new("RGB", (33, 47), colour) for colour in ((200, 0, 0), (0, 0, 200)))
    red.save(file, kind, save_all=True, append_images=[blue], duration=50, loop=0, lossless=True)
    return file.getvalue()


FILES = {
    "grey": (png(Image.new("L", (37, 91), 130)), (130, 130, 130)),
    "grey and clear": (png(Image.new("LA", (5, 301), (0, 0))), (255, 255, 255)),
    "sixteen bits": (png(Image.fromarray(np.full((40, 40), 32896, np.uint16))), (128, 128, 128)),
    "palette": (png(Image.new("RGB", (64, 33), (12, 200, 90)).quantize(4)), (12, 200, 90)),
    "one pixel": (png(Image.new("RGB", (1, 1), (250, 10, 60))), (250, 10, 60)),
    "one row": (png(Image.new("RGB", (900, 1), (7, 70, 170))), (7, 70, 170)),
    "moving gif": (moving("gif"), (200, 0, 0)),
    "moving png": (moving("png"), (200, 0, 0)),
    "moving webp": (moving("webp"), (200, 0, 0)),
}
NO_IMAGES = {
    "an empty file": b"",
    "a text": "这不是图像".encode(),
    "the head of a picture alone": FILES["grey"][0][:30],
    "a document": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "a drawing in text": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
}


@pytest.mark.parametrize("kind", FILES)
def test_a_picture_of_any_kind_is_read(page, kind):
    content, colour = FILES[kind]
    seen = drop_and_read(page, "picture.png", content)
    assert (np.abs(seen - colour) <= 2).all()


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_picture_is_named(page, kind):
    before = page.evaluate("[...state.original]")
    drop(page, "strange.png", NO_IMAGES[kind], "image/png" if "text" not in kind else "")
    page.wait_for_function("/strange.png/.test(document.querySelector('#image .hint').textContent)")
    assert page.evaluate("[...state.original]") == before


def test_a_click_during_the_reading_of_a_file_counts(page):
    huge = png(Image.fromarray(np.zeros((4000, 4000), np.uint8)))
    page.evaluate(
        """async ([bytes]) => {
          useFile(new File([Uint8Array.from(bytes)], "huge.png"));
          chooseSupplied(5);
          await readImageFile(new File([Uint8Array.from(bytes)], "huge.png"));
        }""",
        [list(huge)],
    )
    page.evaluate(SETTLED)
    assert page.evaluate("state.supplied") == 5


def test_of_many_quick_clicks_the_last_counts(page, net, supplied):
    page.evaluate(
        """() => {
          const halves = [...document.querySelectorAll(".card .half")];
          for (let i = 0; i < 60; i++) {
            document.querySelectorAll(".gallery button")[i % 20].click();
            halves[i % 16].click();
          }
        }"""
    )
    page.evaluate(SETTLED)
    settings = page.evaluate("state.settings")
    assert settings["tokenOff"] == [False] * 6 + [True] * 2  # 60 clicks: four halves got three,
    assert settings["channelOff"] == [False] * 6 + [True] * 2  # not four
    wanted = expected(net, supplied[19:20], settings)[0].softmax(0).numpy()
    assert np.abs(np.array(page.evaluate("softmax(answers.logits)")) - wanted).max() < 0.005


# ---- keys, fingers, the tour


def test_keys_alone_reach_and_work_everything(page, window):
    """Tab visits each control once, in the page's order; each names itself."""
    names, page = [], started(window)
    for _ in range(120):
        page.keyboard.press("Tab")
        name = page.evaluate(
            """() => { const e = document.activeElement;
              return e === document.body ? null : e.getAttribute("aria-label") ??
                (e.labels?.[0] ?? e).textContent.trim(); }"""
        )
        if name:
            names.append(name)
        elif name == "" or names:  # at the end of the page; the first may have left the window
            break
    assert name is None  # neither without a name nor without an end
    wanted = ["Tour in ten steps", "Swap", "Shuffle all", "Shift up by 1 pixel", "Draw one"]
    wanted += ["Block 3", "Token mixing of block 8", "Channel mixing of block 1", "Blocks used"]
    wanted += ["Change", "Token", "What the words mean"]
    assert [name for name in wanted if name not in names] == []
    assert sum(name.startswith(("The image", "The table")) for name in names) == 2


def test_arrow_keys_swap_and_are_read_out(page):
    press(page, "Look")
    at_place(page, 0)
    press(page, "Swap")
    page.locator("#image-body canvas").first.focus()
    for key in ["Enter", "ArrowRight"]:
        page.keyboard.press(key)
    page.wait_for_function("document.getElementById('live').textContent.startsWith('Token 2 ')")
    page.keyboard.press("Enter")
    assert page.evaluate("state.changes.places.slice(0, 3)") == [1, 0, 2]
    page.evaluate(SETTLED)  # the answer is read out, too, once it is computed
    page.locator("#table-panel canvas").first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("/^Token 3, channel/.test(document.getElementById('live').textContent)")


def test_fingers_touch_it(phone):
    page = started(phone)
    page.get_by_role("button", name="Black out", exact=True).tap()
    page.locator("#image-body canvas").first.tap(position={"x": 5, "y": 5})
    page.get_by_role("switch", name="Token mixing of block 2").tap()
    page.get_by_role("tab", name="Who depends on whom").tap()
    page.evaluate(SETTLED)
    assert page.evaluate("state.changes.dark[0] && state.settings.tokenOff[1]")
    assert page.locator(".changed li").count() == 2
    assert phone.wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_tour_asks_before_it_shows(window, language):
    page = started(window, language)
    page.emulate_media(reduced_motion="reduce")
    page.locator("#start-tour").click()
    seen = set()
    for step in range(10):
        options = page.locator("#tour .options button")
        assert page.locator("#tour .answer").inner_text() == ""
        assert page.locator("#tour .primary").is_disabled()
        page.evaluate(SETTLED)
        options.nth(step % options.count()).click()
        page.wait_for_function("tour.values !== null", timeout=60_000)
        answer = page.locator("#tour .answer").inner_text()
        assert len(answer) > 60
        assert "undefined" not in answer
        assert "NaN" not in answer
        assert page.locator("#tour .options .right").count() == 1
        seen.add(page.locator("#tour h2").inner_text())
        page.locator("#tour .primary").click()
    assert len(seen) == 10
    assert page.locator("#tour li").count() == 4
    kept = page.evaluate("[measured('no_token_mixing'), measured('no_channel_mixing')]")
    assert all(one in page.locator("#tour li").last.inner_text() for one in kept)
    page.locator("#tour .primary").click()
    assert page.locator("#tour").is_hidden()
    assert window.wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_on_a_phone_the_tour_gives_nothing_away_and_hides_nothing(phone, language):
    page = started(phone, language)
    page.emulate_media(reduced_motion="reduce")
    page.locator("#start-tour").click()
    top = "e => e.getBoundingClientRect().top"
    bottoms = "all => all.map((e) => e.getBoundingClientRect().bottom)"
    asked = page.evaluate("percent(DATA.measured.no_token_mixing)")
    spoken_of = {
        2: "#tab-panel figure:first-child canvas",
        9: ".figures canvas",
        10: ".figures canvas",
    }
    for step in range(1, 11):
        page.evaluate(SETTLED)
        page.locator("#tour .options button").first.click()
        page.wait_for_function("tour.values !== null", timeout=60_000)
        page.evaluate(SETTLED)
        if step < 5:
            assert asked not in page.locator("body").inner_text()
        if step in spoken_of:
            shown = page.locator(spoken_of[step]).evaluate_all(bottoms)
            assert max(shown) <= page.locator("#tour").evaluate(top) + 1, step
        page.locator("#tour .primary").click()
    page.locator("#tour .primary").click()
    page.evaluate("setSettings({ tokenOff: everyBlock(true) })")
    page.evaluate(SETTLED)
    assert asked in page.locator("#result").inner_text()
    assert phone.wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_on_a_phone_image_and_result_stay_in_sight(phone, language):
    page = started(phone, language)
    page.emulate_media(reduced_motion="reduce")
    for k in range(len(CLASSES)):  # the surest answers are the longest
        page.evaluate(f"answers.logits = answers.baseLogits = Array(10).fill(0).with({k}, 99)")
        page.evaluate("views.forEach((view) => view())")
        strip = page.locator("#strip")
        assert strip.bounding_box()["height"] < 34
        whole = "e => [...e.children].every((c) => c.scrollWidth <= c.clientWidth + 1)"
        assert strip.evaluate(whole)
    page.get_by_role("button", name={"zh": "自己画", "en": "Draw one"}[language]).tap()
    image = page.locator("#image-body canvas").first.bounding_box()
    assert (
        0 <= image["y"] < image["y"] + image["height"] <= page.locator("#pad").bounding_box()["y"]
    )
    assert 0 <= strip.bounding_box()["y"] < 10
    assert phone.wrong == []


def test_a_language_that_was_clicked_survives_a_reload(light_window):
    page = started(light_window, "zh")
    page.locator("#start-tour").click()
    page.locator("#tour .options button").first.click()
    page.locator("[data-language=en]").click()
    page.reload()  # in the middle of the tour
    page.wait_for_function("answers.trace !== null", timeout=60_000)
    assert page.locator("h1").inner_text() == "MLP-Mixer Explorer"
    assert page.locator("#tour").is_hidden()
    assert page.evaluate("isUntouched()")
    assert light_window.wrong == []


# ---- the look


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_is_cut_off(window, size, language):
    page = started(window, language)
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    for tab in page.evaluate("TABS"):
        page.evaluate("(tab) => set({ tab, stage: tab === 'training' ? LAST : 3 })", tab)
        page.evaluate(SETTLED)
        assert page.evaluate(CUT) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.wrong == []


def test_paper_is_light_and_has_no_controls(window):
    page = started(window)
    page.locator("#theme").click()
    chosen = page.evaluate("document.documentElement.dataset.theme")
    watch = "() => addEventListener('beforeprint', () => (window.printed = [isDark(), signedRamp]))"
    page.evaluate(watch)
    page.locator("#start-tour").click()
    page.pdf()
    assert page.evaluate("window.printed[0] === false && window.printed[1] === RAMPS.light")
    assert page.evaluate("document.documentElement.dataset.theme") == chosen
    page.emulate_media(media="print")
    for hidden in ("#start-tour", "#tour", "#image .segmented"):
        assert page.locator(hidden).is_hidden()
    for shown in ("#image-body canvas", "#table-panel canvas", ".headline"):
        assert page.locator(shown).first.is_visible()
    page.emulate_media(media="screen")
    assert window.wrong == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_explorer_is_accessible(window, language, theme):
    page = started(window, language)
    page.locator("summary").click()
    page.evaluate("setDepth(5)")
    page.evaluate(SETTLED)
    assert window.violations(theme=theme) == []
    page.evaluate("openPad()")
    assert window.violations() == []
    page.keyboard.press("Escape")
    page.evaluate("set({ tab: 'depends', stage: 1 }); startTour(); tour.guessed = [true]")
    assert window.violations() == []
    assert window.wrong == []
