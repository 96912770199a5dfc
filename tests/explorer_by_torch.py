"""What the explorer's network answers, computed by torch: for the tests of the page."""

import json

import numpy as np
import torch
from PIL import Image
from torch import nn

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.teaching import explorer
from hdd.train.records import load_weights

STATISTICS = json.loads(explorer.read("images.json"))["statistics"]
OFF = {"depth": 8, "tokenOff": [False] * 8, "channelOff": [False] * 8, "silenced": []}


def trained_net():
    """Return the network of the page, its weights loaded by torch."""
    net = MLPMixer()
    net.load_state_dict(load_weights(explorer.WEIGHTS))
    return net.eval()


def supplied_images():
    """Return the page's twenty images, uint8 (20, 32, 32, 3)."""
    sheet = np.asarray(Image.open(explorer.SOURCES / "images.png").convert("RGB"))
    return sheet.reshape(-1, 32, 32, 3)


def normalised(pixels):
    statistics = [torch.tensor(STATISTICS[k]).view(3, 1, 1) for k in ("mean", "std")]
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
    return (images - statistics[0]) / statistics[1]


@torch.inference_mode()
def expected(net, pixels, settings=OFF):
    """Return torch's logits with parts of the network switched off."""
    x = net.patch_embedding(normalised(pixels)).flatten(2).transpose(1, 2)
    for b, block in enumerate(net.blocks[: settings["depth"]]):
        quiet = {
            kind: [u["unit"] for u in settings["silenced"] if (u["block"], u["kind"]) == (b, kind)]
            for kind in ("token", "channel")
        }
        if not settings["tokenOff"][b]:
            y = block.token_norm(x).transpose(1, 2)
            x = x + mlp(block.token_mixing, y, quiet["token"]).transpose(1, 2)
        if not settings["channelOff"][b]:
            x = x + mlp(block.channel_mixing, block.channel_norm(x), quiet["channel"])
    return net.head(net.norm(x).mean(dim=1))


def mlp(layer: nn.Module, x, quiet):
    hidden = layer.activation(layer.fc1(x))
    hidden[..., quiet] = 0
    return layer.fc2(hidden)
