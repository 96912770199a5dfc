"""The explorer: one page, offline, whose numbers are PyTorch's."""

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from explorer_by_torch import OFF, expected, normalised, supplied_images, trained_net
from torch import nn

from hdd.dataset.loading import load
from hdd.models.learned_weights import morans_i
from hdd.teaching import explorer
from hdd.train.records import load_weights

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
PAGE = explorer.PAGE.read_text(encoding="utf-8") if explorer.PAGE.exists() else ""
DATA = json.loads(explorer.read("images.json"))
# Reads a job from stdin, answers on stdout; runs the very text that the page gives its worker.
HARNESS = """
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));
const names = "Mixer, unpackHalf, untouched, compose, noChanges, shuffledOrder, gelu, geluInPlace";
const code = job.source + `; return {${names}};`;
const { Mixer, unpackHalf, compose, noChanges, shuffledOrder, gelu, geluInPlace } =
  new Function(code)();
const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));
const weights = unpackHalf(bytes(job.weights).buffer, job.manifest);
const wasm = job.plain ? null : bytes(job.wasm);
const mixer = new Mixer(weights, job.manifest, job.statistics, wasm);
const pixels = bytes(job.pixels);
const image = (i) => pixels.subarray(i * 3072, (i + 1) * 3072);
const changed = (i, changes) =>
  compose(image(i), { ...noChanges(), ...changes }, job.statistics.mean);
console.log(JSON.stringify((() => { BODY })()));
"""


def in_page(name):
    """Return the text of an element of the committed page."""
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', PAGE, re.S)[1].strip()


def run(body, pixels, plain=False):
    """Run JavaScript that may use `mixer`, `image(i)`, `changed(i, changes)`; return its value."""
    job = {
        "source": in_page("worker").split("/* The worker")[0] + explorer.read("image.js"),
        "manifest": json.loads(in_page("data"))["manifest"],
        **{"weights": in_page("weights"), "wasm": in_page("kernel"), "plain": plain},
        "statistics": DATA["statistics"],
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }
    command = [NODE, "-e", HARNESS.replace("BODY", body)]
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def net():
    return trained_net()


@pytest.fixture(scope="module")
def supplied():
    return supplied_images()


@pytest.fixture(scope="module")
def hundred(supplied):
    """The supplied images, and eighty of Fashion-MNIST in false colours."""
    _, test = load("fashion_mnist_mini")
    grey = np.pad(test.images[:80, 0].numpy(), ((0, 0), (2, 2), (2, 2)))  # (80, 32, 32)
    colours = np.random.default_rng(0).uniform(0.2, 1, (80, 1, 1, 3))
    return np.concatenate([supplied, (grey[..., None] * colours).astype(np.uint8)])


def test_the_committed_page_is_what_the_sources_build():
    assert explorer.build() == explorer.PAGE.read_bytes(), "Fix: python3 run.py explorer"


def test_the_page_is_small_and_loads_nothing():
    assert len(PAGE.encode()) <= 4_000_000
    code = re.sub(
        r'<script type="text/plain" id="(images|kernel|weights|snapshots)">.*?<', "", PAGE
    )
    assert "http://" not in code
    assert "https://" not in code
    assert not re.search(r"<(link|img|iframe|script)[^>]* (href|src)=(?!\"data:,\")", code)
    assert not re.search(r"\b(import|importScripts|fetch|XMLHttpRequest|WebSocket)\s*\(", code)


def test_both_languages_fill_every_place():
    texts = json.loads(explorer.read("texts.json"))
    assert texts["zh"].keys() == texts["en"].keys()
    for key, zh in texts["zh"].items():
        places = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (zh, texts["en"][key])]
        assert places[0] == places[1], key
        assert zh.count("|") == texts["en"][key].count("|"), key
        if not key.startswith("stage"):  # 图像块 or Mixer 块? A newcomer can't guess.
            assert not re.search("(?<!图像)(?<!Mixer )(?<!滑)块", zh), key
    template = explorer.read("template.html")
    scripts = "".join(map(explorer.read, explorer.SCRIPTS))
    used = re.findall(r'data-text="(\w+)"', template) + re.findall(r'\bt\("(\w+)"', scripts)
    assert len(used) > 100
    assert set(used) <= texts["zh"].keys()


def test_a_text_in_one_language_only_is_refused(monkeypatch):
    texts = json.loads(explorer.read("texts.json"))
    del texts["en"]["title"]
    read = explorer.read
    monkeypatch.setattr(
        explorer, "read", lambda name: json.dumps(texts) if name == "texts.json" else read(name)
    )
    with pytest.raises(ValueError, match=r"title.*Fix"):
        explorer.build()


def test_a_word_that_the_glossary_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(explorer, "WORDS", ("token", "toucan"))
    with pytest.raises(ValueError, match=r"toucan.*Fix"):
        explorer.build()


def test_statistics_and_cache_belong_to_the_network(net, supplied):
    cached = torch.tensor([image["logits"] for image in DATA["images"]])
    assert torch.allclose(cached, expected(net, supplied), atol=1e-3)


@needs_node
def test_logits_of_a_hundred_images(net, hundred):
    body = f"""
      const logits = (i) => [...mixer.forward(image(i), {json.dumps(OFF)}).logits];
      return Array.from({{ length: {len(hundred)} }}, (_, i) => logits(i))"""
    logits = run(body, hundred)
    assert np.abs(np.array(logits) - expected(net, hundred).numpy()).max() < 1e-3


@needs_node
def test_plain_javascript_gives_the_same(net, supplied):
    logits = run(f"return [...mixer.forward(image(3), {json.dumps(OFF)}).logits]", supplied, True)
    assert np.abs(np.array(logits) - expected(net, supplied[3:4]).numpy()[0]).max() < 1e-3


def one(index):
    return [i == index for i in range(8)]


UNITS = [
    {"block": 0, "kind": "token", "unit": 5},
    {"block": 7, "kind": "token", "unit": 15},
    {"block": 0, "kind": "channel", "unit": 185},
    {"block": 7, "kind": "channel", "unit": 460},
]
INTERVENTIONS = [
    *({"depth": depth} for depth in range(9)),
    *({half: one(b)} for half in ("tokenOff", "channelOff") for b in (0, 3, 7)),
    *({half: [True] * 8} for half in ("tokenOff", "channelOff")),
    *({"silenced": [unit]} for unit in UNITS),
    {"silenced": UNITS},
    {"depth": 5, "tokenOff": one(2), "channelOff": one(4), "silenced": UNITS[:1]},
]


@needs_node
def test_interventions_on_the_network(net, supplied):
    settings = [OFF | change for change in INTERVENTIONS]
    pairs = [(i, s) for s in settings for i in (1, 7, 14)]
    body = f"return {json.dumps(pairs)}.map(([i, s]) => [...mixer.forward(image(i), s).logits])"
    for logits, (i, s) in zip(run(body, supplied), pairs, strict=True):
        wanted = expected(net, supplied[i : i + 1], s)[0]
        assert np.abs(np.array(logits) - wanted.numpy()).max() < 1e-3, s


def patches_of(image):
    return image.reshape(8, 4, 8, 4, 3).swapaxes(1, 2).reshape(64, 4, 4, 3)


def image_of(patches):
    return patches.reshape(8, 8, 4, 4, 3).swapaxes(1, 2).reshape(32, 32, 3)


def shifted(image, right, down):
    mean = np.round(255 * np.array(DATA["statistics"]["mean"])).astype(np.uint8)
    padded = np.broadcast_to(mean, (96, 96, 3)).copy()
    padded[32 + down : 64 + down, 32 + right : 64 + right] = image
    return padded[32:64, 32:64]


@needs_node
def test_interventions_on_the_image(net, supplied):
    unchanged = {"places": list(range(64)), "dark": [False] * 64, "shift": [0, 0]}
    swapped = [{3: 60, 60: 3}.get(place, place) for place in range(64)]
    shuffled = np.random.default_rng(1).permutation(64).tolist()
    dark = [place in (27, 36) for place in range(64)]
    changes = [{"places": swapped}, {"places": shuffled}, {"dark": dark}, {"shift": [3, -2]}]
    changes = [unchanged | one for one in (*changes, {"dark": dark, "shift": [3, -2]})]
    body = f"""return {json.dumps(changes)}.map((one) => {{
      const x = changed(4, one);
      return [[...x], [...mixer.forward(x, {json.dumps(OFF)}).logits]];
    }})"""
    for one, (pixels, logits) in zip(changes, run(body, supplied), strict=True):
        wanted = patches_of(shifted(supplied[4], *one["shift"]))[one["places"]]
        wanted[one["dark"]] = 0
        wanted = image_of(wanted)
        assert (np.array(pixels).reshape(32, 32, 3) == wanted).all(), one
        assert np.abs(np.array(logits) - expected(net, wanted[None]).numpy()[0]).max() < 1e-3, one


@needs_node
def test_a_shuffle_is_an_order_of_its_own_and_gelu_the_exact_one(supplied):
    body = """
      const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 250);
      const table = x.slice(); geluInPlace(table);
      const orders = [1, 1, 2].map((seed) => shuffledOrder(64, seed));
      return [orders, [...x], [...x].map(gelu), [...table]]"""
    orders, *curves = run(body, supplied)
    x, exact, table = (torch.tensor(curve, dtype=torch.float64) for curve in curves)
    assert torch.allclose(exact, nn.functional.gelu(x), atol=1e-6, rtol=0)
    assert torch.allclose(table, nn.functional.gelu(x), atol=2e-6, rtol=0)
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert orders[0] == orders[1] != orders[2]


@needs_node
def test_dependence_is_the_defined_ratio(net, supplied):
    body = f"""
      const s = {json.dumps(OFF)}, {{ tables }} = mixer.forward(image(7), s);
      return [[...mixer.dependence(image(7), s, tables, 27)],
              [...mixer.dependenceInBlock(2, s, tables, 27)]]"""
    from_image, from_block = run(body, supplied)
    image = normalised(supplied[7:8])
    without = image.clone()
    without[..., 12:16, 12:16] = 0  # patch 27: row 3, column 3
    with torch.inference_mode():
        x, y = (net.patch_embedding(v).flatten(2).transpose(1, 2) for v in (image, without))
        for stage, block in enumerate([nn.Identity(), *net.blocks]):
            previous, x, y = x, block(x), block(y)
            ratio = ((y - x).norm(dim=2) / x.norm(dim=2))[0]
            got = torch.tensor(from_image[64 * stage : 64 * stage + 64])
            assert torch.allclose(got, ratio, atol=1e-3, rtol=1e-3)
            if stage == 3:
                replaced = previous.clone()
                replaced[:, 27] = previous.mean(dim=1)
                ratio = ((block(replaced) - x).norm(dim=2) / x.norm(dim=2))[0]
                assert torch.allclose(torch.tensor(from_block), ratio, atol=1e-3, rtol=1e-3)


@needs_node
def test_only_token_mixing_carries_dependence(supplied):
    body = f"""
      const s = {{ ...{json.dumps(OFF)}, tokenOff: Array(8).fill(true) }};
      const {{ tables }} = mixer.forward(image(7), s);
      return [...mixer.dependence(image(7), s, tables, 27)]"""
    reached = np.array(run(body, supplied)).reshape(9, 64) > 0
    assert (reached.sum(axis=1) == 1).all()
    assert reached[:, 27].all()


def test_the_unit_of_the_tour_is_the_one_missed_most(net, supplied):
    said = re.search(r"TOUR_UNIT = \{ kind: \"token\", block: (\d+), unit: (\d+)", PAGE)
    units, left = torch.arange(32), []
    with torch.inference_mode():
        x = net.patch_embedding(normalised(supplied[7:8])).flatten(2).transpose(1, 2)
        for number, block in enumerate(net.blocks):
            mlp = block.token_mixing
            hidden = mlp.activation(mlp.fc1(block.token_norm(x).transpose(1, 2)))
            hidden = hidden.repeat(32, 1, 1)  # (32, C, D_S): without one unit each
            hidden[units, :, units] = 0
            y = x + mlp.fc2(hidden).transpose(1, 2)
            y = y + block.channel_mixing(block.channel_norm(y))
            y = net.blocks[number + 1 :](y)
            left.append(net.head(net.norm(y).mean(1)).softmax(1)[:, 7])
            x = block(x)
    assert divmod(int(torch.cat(left).argmin()), 32) == (int(said[1]), int(said[2]))


def test_snapshots_show_the_recorded_units():
    epochs, content = explorer.snapshots()
    assert [e["epoch"] for e in epochs] == [0, 1, 2, 4, 8, 16, 32, 60]
    name = "blocks.1.token_mixing.fc1.weight"
    maps, start = {}, 0
    for epoch in epochs:
        for tensor, (scale, shape) in epoch["tensors"].items():
            size = int(np.prod(shape))
            if tensor == name:
                part = np.frombuffer(content, np.int8, size, start) * scale
                maps[epoch["epoch"]] = torch.tensor(part.reshape(-1, 8, 8))
            start += size
    assert start == len(content)
    trained = load_weights(explorer.WEIGHTS)[name].view(-1, 8, 8)
    assert (maps[60] - trained).abs().max() < trained.abs().max() / 200
    assert morans_i(maps[0]).mean() < 0.05 < 0.3 < morans_i(maps[60]).mean()


@pytest.mark.skipif(shutil.which("wat2wasm") is None, reason="wat2wasm is not installed")
def test_the_kernel_is_its_text_assembled(tmp_path):
    made = tmp_path / "linear.wasm"
    command = ["wat2wasm", str(explorer.SOURCES / "linear.wat"), "-o", str(made)]
    subprocess.run(command, check=True)
    assert made.read_bytes() == (explorer.SOURCES / "linear.wasm").read_bytes()
