"""Make images.png, images.json and measured.json beside this file; the explorer's build reads them.

    python resources/explorer/make_images.py ../dataset     (the folder that holds cifar10)

Ten CIFAR-10 test images (Krizhevsky, 2009), one a class, and ten drawings made by the code below
(CC0). `images.json` names them and holds the logits that the page shows until its own network has
answered. `measured.json` holds the test accuracy of the network after some interventions.
"""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from hdd.command import described, run
from hdd.dataset.image_tensors import ImageTensors
from hdd.dataset.loading import load
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.train.records import load_weights, provenance

HERE = Path(__file__).parent
WEIGHTS = "cifar10_patch4_60_epochs"
# Which test image of its class, in the order of the folder form of CIFAR-10.
CHOSEN = {
    **{"airplane": 3, "automobile": 25, "bird": 17, "cat": 5, "deer": 8},
    **{"dog": 7, "frog": 4, "horse": 3, "ship": 34, "truck": 2},
}
SIDE, SCALE = 32, 8  # drawings are made at 8 times their size and scaled down


def plane(draw: ImageDraw.ImageDraw) -> None:
    """A white airliner in a blue sky."""
    draw.polygon([(92, 128), (150, 128), (112, 214), (88, 214)], fill="#c9ced6")
    draw.polygon([(112, 120), (156, 120), (120, 62), (102, 62)], fill="#aab1bb")
    draw.polygon([(22, 80), (46, 80), (66, 118), (34, 122)], fill="#b5403a")
    draw.rounded_rectangle([26, 110, 234, 142], 16, fill="#f4f6f8")


def car(draw: ImageDraw.ImageDraw) -> None:
    """A red car on a road."""
    draw.rectangle([0, 168, 256, 256], fill="#6d6f72")
    draw.polygon([(70, 130), (96, 88), (176, 88), (206, 130)], fill="#c5221f")
    draw.polygon([(88, 128), (104, 98), (132, 98), (132, 128)], fill="#cfe3ee")
    draw.polygon([(142, 128), (142, 98), (170, 98), (188, 128)], fill="#cfe3ee")
    draw.rounded_rectangle([26, 126, 232, 182], 18, fill="#d92b27")
    for x in (76, 184):
        draw.ellipse([x - 25, 158, x + 25, 208], fill="#17181a")
        draw.ellipse([x - 11, 172, x + 11, 194], fill="#b9bcc0")


def bird(draw: ImageDraw.ImageDraw) -> None:
    """A brown bird on a branch."""
    draw.line([(0, 206), (256, 190)], fill="#5a4330", width=14)
    draw.polygon([(44, 182), (108, 132), (118, 160)], fill="#5f4226")
    draw.ellipse([84, 92, 184, 184], fill="#8a6238")
    draw.ellipse([140, 58, 202, 118], fill="#7b5530")
    draw.polygon([(198, 80), (230, 90), (198, 98)], fill="#e0a32e")
    draw.ellipse([172, 76, 184, 88], fill="#101010")
    draw.line([(126, 182), (124, 200)], fill="#3a2c1f", width=6)
    draw.line([(148, 180), (150, 198)], fill="#3a2c1f", width=6)


def cat(draw: ImageDraw.ImageDraw) -> None:
    """The face of a grey cat."""
    for side in (-1, 1):
        x = 128 + side * 62
        draw.polygon([(x - 36, 106), (x + side * 18, 24), (x + 36, 106)], fill="#6e6a66")
        draw.polygon([(x - 16, 96), (x + side * 13, 50), (x + 16, 96)], fill="#c99a97")
    draw.ellipse([42, 62, 214, 226], fill="#7d7974")
    draw.ellipse([92, 146, 164, 214], fill="#d8d3cc")
    for x in (94, 162):
        draw.ellipse([x - 18, 112, x + 18, 146], fill="#b8c95a")
        draw.ellipse([x - 6, 112, x + 6, 146], fill="#101010")
    draw.polygon([(116, 158), (140, 158), (128, 174)], fill="#b0605e")


def frog(draw: ImageDraw.ImageDraw) -> None:
    """A green frog on mud."""
    for x in (66, 190):
        draw.ellipse([x - 42, 138, x + 42, 214], fill="#4f7d27")
    draw.ellipse([52, 82, 204, 212], fill="#6a9c35")
    for x in (88, 168):
        draw.ellipse([x - 27, 52, x + 27, 106], fill="#6a9c35")
        draw.ellipse([x - 16, 62, x + 16, 94], fill="#e5d76b")
        draw.ellipse([x - 7, 68, x + 7, 88], fill="#101010")
    draw.arc([78, 96, 178, 166], 20, 160, fill="#2f4a16", width=7)


def ship(draw: ImageDraw.ImageDraw) -> None:
    """A ship on the sea."""
    draw.rectangle([0, 150, 256, 256], fill="#2d5f8c")
    draw.rectangle([96, 92, 190, 134], fill="#f1f1ee")
    draw.rectangle([150, 60, 172, 94], fill="#c03a2b")
    draw.line([(74, 48), (74, 134)], fill="#4b4b4b", width=6)
    draw.polygon([(22, 132), (238, 132), (208, 182), (52, 182)], fill="#22262c")
    draw.line([(52, 182), (208, 182)], fill="#a1352b", width=10)


def truck(draw: ImageDraw.ImageDraw) -> None:
    """A lorry in front of a grey sky."""
    draw.rectangle([0, 186, 256, 256], fill="#7c7a75")
    draw.rectangle([20, 60, 162, 176], fill="#eceae4")
    draw.polygon([(166, 92), (208, 92), (236, 132), (236, 176), (166, 176)], fill="#2f6fb3")
    draw.polygon([(178, 102), (204, 102), (222, 130), (178, 130)], fill="#cfe3ee")
    draw.rectangle([20, 172, 238, 186], fill="#2a2a2c")
    for x in (62, 112, 200):
        draw.ellipse([x - 23, 166, x + 23, 212], fill="#141416")


def stripes(draw: ImageDraw.ImageDraw) -> None:
    """Stripes two patches wide."""
    for x in range(0, 256, 128):
        draw.rectangle([x, 0, x + 63, 255], fill="#d9822b")


def one_dot(draw: ImageDraw.ImageDraw) -> None:
    """A single dark patch, on the grid, on grey."""
    draw.rectangle([96, 96, 127, 127], fill="#1a1a1a")


def rings(draw: ImageDraw.ImageDraw) -> None:
    """Rings in four colours."""
    colours = {120: "#0072B2", 90: "#E69F00", 60: "#009E73", 30: "#CC79A7"}
    for radius, colour in colours.items():
        draw.ellipse([128 - radius, 128 - radius, 128 + radius, 128 + radius], fill=colour)


# function, background, name in both languages, class index if it means to be one
DRAWINGS: list[tuple[Callable, str, str, str, int | None]] = [
    (plane, "#5d9bd3", "画的飞机", "drawn airplane", 0),
    (car, "#a9c7dd", "画的汽车", "drawn car", 1),
    (bird, "#a8bf94", "画的鸟", "drawn bird", 2),
    (cat, "#c2b59f", "画的猫", "drawn cat", 3),
    (frog, "#7a6a4f", "画的青蛙", "drawn frog", 6),
    (ship, "#b5cfe2", "画的船", "drawn ship", 8),
    (truck, "#b9bdc2", "画的卡车", "drawn truck", 9),
    (stripes, "#f0e6d2", "条纹", "stripes", None),
    (one_dot, "#8c8c8c", "一个图像块", "a single patch", None),
    (rings, "#e8e8e8", "圆环", "rings", None),
]
CHINESE = ("飞机", "汽车", "鸟", "猫", "鹿", "狗", "青蛙", "马", "船", "卡车")


def paint(draw_it: Callable, background: str) -> Tensor:
    """Return one drawing as uint8 (3, 32, 32)."""
    image = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), background)
    draw_it(ImageDraw.Draw(image))
    return torch.from_numpy(np.array(image.resize((SIDE, SIDE), Image.Resampling.BOX))).permute(
        2, 0, 1
    )


def collect(test: ImageTensors) -> tuple[Tensor, list[dict]]:
    """Return the twenty images, uint8 (20, 3, 32, 32), and what the page says about each."""
    images, said = [], []
    for label, (name, number) in enumerate(CHOSEN.items()):
        members = (test.labels == label).nonzero().flatten()
        images.append(test.images[members[number]])
        said.append({"zh": CHINESE[label], "en": name, "label": label, "source": "cifar10"})
    for draw_it, background, zh, en, label in DRAWINGS:
        images.append(paint(draw_it, background))
        said.append({"zh": zh, "en": en, "label": label, "source": "drawing"})
    return torch.stack(images), said


def network() -> MLPMixer:
    """Return the shipped network."""
    net = MLPMixer()
    net.load_state_dict(load_weights(WEIGHTS))
    return net.eval()


def shuffle_patches(images: Tensor, seed: int = 0) -> Tensor:
    """Return images (B, 3, 32, 32) with the patches of each in an order of its own."""
    columns = functional.unfold(images, 4, stride=4)  # (B, 48, S)
    order = torch.rand(columns.shape[::2], generator=torch.Generator().manual_seed(seed)).argsort(1)
    return functional.fold(columns.gather(2, order[:, None].expand_as(columns)), SIDE, 4, stride=4)


def shift_right(images: Tensor, pixels: int) -> Tensor:
    """Return images moved by some pixels; what comes in is the mean colour (zeros)."""
    return functional.pad(images, (pixels, 0))[..., :SIDE]


class Nothing(nn.Module):
    """Stands where a half is switched off: adds nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def without(half: str) -> MLPMixer:
    """Return the network with "token_mixing" or "channel_mixing" off in every block."""
    net = network()
    for block in net.blocks:
        setattr(block, half, Nothing())
    return net


def first_blocks(depth: int) -> MLPMixer:
    """Return the network with only its first blocks."""
    net = network()
    net.blocks = net.blocks[:depth]
    return net


@torch.inference_mode()
def accuracy(net: nn.Module, test: ImageTensors, change: Callable = lambda x: x) -> float:
    """Return the share of test images classified rightly after `change`."""
    right = 0
    for start in range(0, len(test), 500):
        batch = test.subset(torch.arange(start, min(start + 500, len(test))))
        right += int((net(change(test.normalize(batch.images))).argmax(1) == batch.labels).sum())
    return round(right / len(test), 4)


def measure(test: ImageTensors) -> dict:
    """Return accuracies on the whole test set after interventions, with where they come from."""
    net, tokenless = network(), without("token_mixing")
    result = {
        "untouched": accuracy(net, test),
        "no_token_mixing": accuracy(tokenless, test),
        "no_channel_mixing": accuracy(without("channel_mixing"), test),
        "shuffled": accuracy(net, test, shuffle_patches),
        "shuffled_no_token_mixing": accuracy(tokenless, test, shuffle_patches),
        "shifted": {p: accuracy(net, test, lambda x, p=p: shift_right(x, p)) for p in (1, 2, 4)},
        "first_blocks": {depth: accuracy(first_blocks(depth), test) for depth in range(1, 8)},
    }
    return {"weights": WEIGHTS, "test_images": len(test), **result, **provenance("cpu")}


def write_json(name: str, content: object) -> None:
    """Write a JSON file beside this one."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


def main(root: str) -> None:
    """Write the three files."""
    _, test = load("cifar10", root)
    images, said = collect(test)
    with torch.inference_mode():
        logits = network()(test.normalize(images))
    for one, values in zip(said, logits.tolist(), strict=True):
        one["logits"] = [round(value, 4) for value in values]
    assert all(math.isfinite(value) for one in said for value in one["logits"])
    sheet = images.permute(0, 2, 3, 1).reshape(-1, SIDE, 3).numpy()  # one below the other
    Image.fromarray(sheet).save(HERE / "images.png", optimize=True)
    statistics = {"mean": test.mean, "std": test.std}
    write_json("images.json", {"statistics": statistics, "images": said})
    write_json("measured.json", measure(test))


if __name__ == "__main__":
    command = described()
    command.add_argument("root", metavar="DATA_ROOT", help="the folder that holds cifar10")
    sys.exit(run(main, command))
