"""The explorer in a real browser: the reader's interventions give PyTorch's probabilities."""

import numpy as np
import pytest
import torch
from explorer_by_torch import OFF, expected, supplied_images, trained_net

from hdd.teaching import explorer

ASK = """async (change) => {
  set({ settings: { ...untouched(DEPTH), ...change } });
  await new Promise((go) => setTimeout(go));
  while (running || wanted) await new Promise((go) => setTimeout(go, 5));
  return [...answers.logits];
}"""
CHANGES = [
    {"depth": 3},
    {"tokenOff": [True] * 8},
    {"channelOff": [True] + [False] * 7},
    {"silenced": [{"block": 0, "kind": "token", "unit": 5}]},
]


@pytest.fixture(scope="module")
def net():
    return trained_net()


@pytest.fixture(scope="module")
def supplied():
    return supplied_images()


@pytest.fixture
def page(window):
    page = window.open(explorer.PAGE, "?lang=en")
    page.wait_for_function("answers.trace !== null", timeout=60_000)
    yield page
    assert window.wrong == []


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_switching_parts_off(page, net, supplied, change):
    shown = torch.tensor(page.evaluate(ASK, change)).softmax(0)
    index = page.evaluate("state.supplied")
    wanted = expected(net, supplied[index : index + 1], OFF | change)[0].softmax(0)
    assert shown.argmax() == wanted.argmax()
    assert (shown - wanted).abs().max() < 0.005


def test_a_shuffled_image_and_the_bars(page, net):
    shuffle = page.get_by_role("button", name="Shuffle")
    before = page.locator(".bars").inner_text()
    shuffle.first.click()
    page.wait_for_function("!running && !wanted")
    page.wait_for_function(
        "(before) => document.querySelector('.bars').innerText !== before", arg=before
    )
    pixels = page.evaluate("[...currentImage()]")
    image = np.array(pixels, dtype=np.uint8).reshape(1, 32, 32, 3)
    wanted = expected(net, image)[0].softmax(0)
    shown = torch.tensor(page.evaluate("[...answers.logits]")).softmax(0)
    assert (shown - wanted).abs().max() < 0.005


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_explorer_is_accessible(window, language, theme):
    page = window.open(explorer.PAGE, f"?lang={language}")
    page.wait_for_function("answers.trace !== null", timeout=60_000)
    assert window.violations(theme=theme) == []
    assert window.wrong == []
