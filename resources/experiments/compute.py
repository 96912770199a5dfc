"""Accuracy against compute on CIFAR-10: Mixer, ConvMixer, ResNet and ViT, with equally many trials.

    python resources/experiments/compute.py

Writes resources/runs/compute.json; with `--so-far` it holds what is there. At the smallest of
three budgets each family gets the same trials on validation images: two optimizers with four rates
each, two more decays, one more shape. Its best settings then train at every budget with three new
seeds, and only these networks see the test images. The other shape was finer or deeper for the two
convolutional networks, coarser for Mixer and ViT; so finer, shallower and deeper ones of these were
tried afterwards, which changes no choice.
"""

import itertools
import sys
from collections.abc import Callable

import torch
from jobs import DATA_ROOT, SHORT, finished, save, start
from timm.models.convmixer import ConvMixer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from hdd.dataset.image_tensors import ImageTensors
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.train.intervals import summary
from hdd.train.recipe import Recipe
from hdd.train.run import Run

SHAPE, CLASSES = (3, 32, 32), 10
BUDGETS = (5, 10, 20)  # million multiply-accumulates of a forward pass
RATES = {"muon": (3e-3, 1e-2, 3e-2, 1e-1), "adamw": (1e-3, 3e-3, 1e-2, 3e-2)}
DECAYS, USUAL_DECAY = (0.01, 1.0), 0.1
TUNING_EPOCHS, EPOCHS, TUNING_SEED, SEEDS = 3, 6, 0, (1, 2, 3)
# Attention and depthwise convolutions are slower in bfloat16 on a CPU; accuracy is the same.
PRECISION = {"Mixer": "auto", "ResNet": "auto", "ConvMixer": "float32", "ViT": "float32"}


class MatrixConv(nn.Linear):
    """A convolution whose weights are one matrix (out, in * k * k), so that Muon takes them."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(conv.weight[0].numel(), conv.out_channels, bias=conv.bias is not None)
        self.shape, self.stride, self.padding = conv.weight.shape, conv.stride, conv.padding
        self.weight.data = conv.weight.data.flatten(1)
        if conv.bias is not None:
            self.bias.data = conv.bias.data

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.view(self.shape)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class QueryKeyValue(nn.Module):
    """The layer of queries, keys and values as three matrices: Muon makes each orthogonal."""

    def __init__(self, qkv: nn.Linear) -> None:
        super().__init__()
        width = qkv.in_features
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        for layer, weight, bias in zip(
            self.layers, qkv.weight.chunk(3), qkv.bias.chunk(3), strict=True
        ):
            layer.weight.data, layer.bias.data = weight.detach().clone(), bias.detach().clone()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x) for layer in self.layers], dim=-1)


def with_matrices(blocks: nn.Module) -> nn.Module:
    """Replace each convolution that mixes channels by a MatrixConv; return `blocks`."""
    for part in list(blocks.modules()):
        for name, child in part.named_children():
            if isinstance(child, nn.Conv2d) and child.groups == 1:
                setattr(part, name, MatrixConv(child))
    return blocks


class ResNet(nn.Module):
    """The ResNet for CIFAR-10: a stem of stride 1, three stages of W, 2W and 4W channels."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks, channels = [], width
        for stage, block in itertools.product(range(3), range(depth)):
            wanted, stride, shortcut = width * 2**stage, 1, None
            if stage and not block:
                stride = 2
                conv = nn.Conv2d(channels, wanted, 1, stride=2, bias=False)
                shortcut = nn.Sequential(conv, nn.BatchNorm2d(wanted))
            blocks.append(BasicBlock(channels, wanted, stride, shortcut))
            channels = wanted
        self.blocks, self.head = with_matrices(nn.Sequential(*blocks)), nn.Linear(channels, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(images)).mean((2, 3)))


def mixer(width: int, depth: int, patch_size: int) -> nn.Module:
    """Return the document's network."""
    sizes = {"dim": width, "depth": depth, "patch_size": patch_size}
    return MLPMixer(image_size=SHAPE[1:], channels=SHAPE[0], num_classes=CLASSES, **sizes)


def convmixer(width: int, depth: int, patch_size: int) -> nn.Module:
    """Return timm's ConvMixer with 5 x 5 kernels, as its authors use on CIFAR-10."""
    net = ConvMixer(width, depth, kernel_size=5, patch_size=patch_size, num_classes=CLASSES)
    with_matrices(net.blocks)
    return net


def vit(width: int, depth: int, patch_size: int) -> nn.Module:
    """Return timm's VisionTransformer with four heads."""
    sizes = {"embed_dim": width, "depth": depth, "num_heads": 4, "patch_size": patch_size}
    net = VisionTransformer(img_size=SHAPE[1:], num_classes=CLASSES, **sizes)
    for block in net.blocks:
        block.attn.qkv = QueryKeyValue(block.attn.qkv)
    return net


def _shapes(*shapes: tuple[int, int]) -> tuple[dict, ...]:
    return tuple({"depth": depth, "patch_size": patch} for depth, patch in shapes)


# Between the first two shapes of each family a trial decides; widths follow from the budget.
FAMILIES: dict[str, tuple[Callable[..., nn.Module], tuple[dict, ...]]] = {
    "Mixer": (mixer, _shapes((6, 4), (6, 8), (3, 4), (12, 4), (4, 2))),
    "ConvMixer": (convmixer, _shapes((6, 4), (4, 2))),
    "ResNet": (ResNet, ({"depth": 1}, {"depth": 2})),
    "ViT": (vit, _shapes((4, 4), (4, 8), (2, 4), (8, 4), (4, 2))),
}


def built(family: str, shape: int, budget: int) -> nn.Module:
    """Return the network whose width brings it closest to the budget."""
    build, shapes = FAMILIES[family]

    def distance(width: int) -> float:
        with torch.device("meta"):  # nothing is computed, and no random number is drawn
            return abs(count_macs(build(width, **shapes[shape]), SHAPE) - 1e6 * budget)

    width = min(range(4, 256, 1 if family == "ResNet" else 4), key=distance)
    net = build(width, **shapes[shape])
    net.width = width
    return net if family in ("Mixer", "ViT") else net.to(memory_format=torch.channels_last)


class Compared(Recipe):
    """A recipe for one of FAMILIES."""

    def of(self, *which) -> "Compared":
        """Say for which network: family, shape, budget."""
        object.__setattr__(self, "which", which)
        return self

    def network(self, data: ImageTensors) -> nn.Module:
        torch.manual_seed(self.seed)
        return built(*self.which)


def trained(
    family: str, shape: int, budget: int, optimizer: str, lr: float, decay: float, *when: int
) -> Run:
    """Return a finished run of (seed, epochs); a seed's split, order and crops are the same."""
    seed, epochs = when
    choices = {"optimizer": optimizer, "lr": lr, "weight_decay": decay, "seed": seed}
    settings = {k: v for k, v in SHORT.items() if optimizer == "muon" or k != "adamw_lr"}
    recipe = Compared(**settings, **choices, epochs=epochs, precision=PRECISION[family])
    return Run(recipe.of(family, shape, budget), torch.device("cpu"), DATA_ROOT).finish()


def validated(*job) -> float:
    """Train; return the last epoch's validation accuracy in %. The test set is not looked at."""
    run = trained(*job, TUNING_SEED, TUNING_EPOCHS)
    return round(100 * run.history["val_accuracy"][-1], 2)


def tested(*job) -> dict[str, float]:
    """Train with what was chosen; return the test accuracy in % and the network's sizes."""
    run = trained(*job, EPOCHS)
    return {
        "test": round(100 * run.test_metrics()["test_accuracy"], 2),
        "width": run.net.width,
        "macs": count_macs(run.net, SHAPE),
        "parameters": count_trainable_parameter(run.net),
    }


def chosen(family: str) -> tuple[tuple, dict] | None:
    """Return the family's best settings on validation images, and all of its trials."""
    best, found = None, {}
    first = [(o, lr, USUAL_DECAY) for o, rates in RATES.items() for lr in rates]
    for stage in ("rates", "decays", "shape"):
        if stage == "rates":
            jobs = [(family, 0, BUDGETS[0], *choice) for choice in first]
        elif stage == "decays":
            jobs = [(*best[:5], decay) for decay in DECAYS]
        else:
            jobs = [(family, 1, *best[2:])]
        results = finished("compute_trials", jobs, validated)
        if results is None:
            return None
        found |= results
        best = max(found, key=found.get)
    return best, found


def settings(job: tuple) -> dict:
    """Return what a job has tried, by name."""
    family, shape, _, *others = job
    names = ("optimizer", "lr", "decay")
    return {"shape": FAMILIES[family][1][shape], **dict(zip(names, others[:3], strict=True))}


def tried_afterwards(best: tuple) -> list[dict]:
    """Return the validation accuracies of the family's other shapes, which no choice has seen."""
    shapes = range(2, len(FAMILIES[best[0]][1]))
    jobs = [(best[0], shape, *best[2:]) for shape in shapes]
    found = finished("compute_trials", jobs, validated, partial=True) or {}
    return [settings(job) | {"validation": value} for job, value in found.items()]


def at_budget(best: tuple, budget: int) -> dict | None:
    """Train a family's choice with new seeds; return its sizes and its test accuracy."""
    jobs = [(*best[:2], budget, *best[3:], seed) for seed in SEEDS]
    found = finished("compute_finals", jobs, tested, partial=True)
    if found is None:
        return None
    results = list(found.values())
    sizes = {key: results[0][key] for key in ("width", "macs", "parameters")}
    return {"budget": budget, **sizes, "test": summary([one["test"] for one in results])}


def main() -> None:
    """Tune all families, train budget by budget, and write the record of what is there."""
    found = {family: chosen(family) for family in FAMILIES}
    choices = {family: choice for family, choice in found.items() if choice}
    families = {}
    for family, (best, trials) in choices.items():
        tried = [settings(job) | {"validation": value} for job, value in trials.items()]
        families[family] = settings(best) | {"trials": tried, "budgets": []}
        if later := tried_afterwards(best):
            families[family]["afterwards"] = later
    for budget, family in itertools.product(BUDGETS, choices):
        if result := at_budget(choices[family][0], budget):
            families[family]["budgets"].append(result)
    content = {
        "command": "python resources/experiments/compute.py",
        "settings": SHORT | {"precision": PRECISION, "epochs": EPOCHS},
        "tuning": {"budget": BUDGETS[0], "epochs": TUNING_EPOCHS, "seed": TUNING_SEED},
        "seeds": SEEDS,
        "training_images": 45_000,
        "validation_images": 5000,
        "test_images": 10_000,
        "families": families,
    }
    if families:
        save("compute", content)


if __name__ == "__main__":
    sys.exit(start(main))
