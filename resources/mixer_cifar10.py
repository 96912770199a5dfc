"""Train an MLP-Mixer of 1.1 million parameters on CIFAR-10: one file, torch alone.

Run: python mixer_cifar10.py [DATA] [--seed 0] [--epochs 60]; after an interruption the same again.
DATA: cifar-10-binary.tar.gz, downloaded if it is not there, or cifar10.cache.pt of `hdd`.
Result: 90.32 and 90.48 % of 10,000 test images (n = 2; 90.59 with an older average), same
recipe in `hdd`: 105 to 114 minutes, one Xeon thread, bfloat16. This file was never run to the end.
"""

import argparse
import copy
import math
import tarfile
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH, HELD_OUT, SMOOTHING, CUTMIX = 128, 1000, 0.1, 0.25
MUON, DECAY, ADAMW, AVERAGE = 2e-3, 0.1, 1e-3, 0.999  # rates, and what averaged weights keep
NATIVE = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()  # bfloat16


def load(path: Path) -> list[Tensor]:  # images uint8 (N, 3, 32, 32), labels (N,); the test's
    if path.suffix == ".pt":
        return [part for split in torch.load(path)["splits"] for part in split]
    if not path.exists():
        torch.hub.download_url_to_file(f"https://www.cs.toronto.edu/~kriz/{path.name}", str(path))
    with tarfile.open(path) as archive:  # sorted by name, the test images come last
        files = sorted((m for m in archive if m.name.endswith(".bin")), key=lambda m: m.name)
        content = bytearray().join(archive.extractfile(member).read() for member in files)
    rows = torch.frombuffer(content, dtype=torch.uint8).view(-1, 3073)
    parts = rows.tensor_split([len(rows) * 5 // 6])
    return [half for p in parts for half in (p[:, 1:].reshape(-1, 3, 32, 32), p[:, 0].long())]


# AutoAugment's policy for CIFAR-10 (Cubuk et al., 2018): operation, probability, level; and again.
POLICY = """invert .1 0 contrast .2 6; rotate .7 2 right .3 9; sharpen .8 1 sharpen .9 3; shear .5 8
down .7 9; stretch .5 0 equal .9 0; shear .2 7 coarse .3 7; color .4 3 bright .6 7; sharpen .3 9
bright .7 9; equal .6 0 equal .5 0; contrast .6 7 sharpen .6 5; color .7 7 right .5 8; equal .3 0
stretch .4 0; down .4 3 sharpen .2 6; bright .9 6 color .2 8; solar .5 2 invert 0 0; equal .2 0
stretch .6 0; equal .2 0 equal .6 0; color .9 9 equal .6 0; stretch .8 0 solar .2 8; bright .1 3
color .7 0; solar .4 5 stretch .9 0; down .9 9 down .7 9; stretch .9 0 solar .8 3; equal .8 0 invert
.1 0; down .7 9 stretch .9 0"""
POLICY = [policy.split() for policy in POLICY.split(";")]


def moved(x: Tensor, row=(1, 0, 0), column=(0, 1, 0)) -> Tensor:  # from (r, c, 1) times each
    c = torch.arange(32) + 0.5
    places = [(c[:, None] * a + c * b + d).floor().long() for a, b, d in (row, column)]
    r, c = torch.broadcast_tensors(*places, torch.zeros(len(x), 1, 32, 32))[:2]
    inside = (r >= 0) & (r < 32) & (c >= 0) & (c < 32)  # (N, 1, 32, 32); else black
    pixels = (r * 32 + c).clamp(0, 1023).flatten(2).expand(-1, 3, -1)
    return x.flatten(2).gather(2, pixels).view_as(x) * inside


def rotated(x: Tensor, angle: Tensor) -> Tensor:
    s, c = angle.sin(), angle.cos()
    return moved(x, (c, s, 16 * (1 - c - s)), (-s, c, 16 * (1 - c + s)))


def blended(x: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    return (x + strength / 10 * (x - other)).clamp(0, 255).floor()


def grey(x: Tensor) -> Tensor:
    return (x * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True).floor()


def equalized(x: Tensor) -> Tensor:
    rows = x.long().flatten(2).flatten(0, 1)  # (3 N, 1024)
    counts = torch.zeros(len(rows), 256, dtype=int).scatter_add_(1, rows, torch.ones_like(rows))
    step = (rows.shape[1] - counts.gather(1, rows.amax(1, keepdim=True))) // 255  # (3 N, 1)
    table = ((counts.cumsum(1) - counts + step // 2) // step.clamp(min=1)).clamp(max=255)
    return torch.where(step == 0, rows, table.gather(1, rows)).view_as(x).float()


mean3, largest = nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AdaptiveMaxPool2d(1)
OPERATIONS = {  # x: (N, 3, 32, 32), whole numbers from 0 to 255; s: random signs (N, 1, 1, 1)
    "shear": lambda x, s, n: moved(x, row=(1, s * n / 30, 0)),
    "right": lambda x, s, n: moved(x, column=(0, 1, -s * int(n * 145 / 90))),
    "down": lambda x, s, n: moved(x, row=(1, 0, -s * int(n * 145 / 90))),
    "rotate": lambda x, s, n: rotated(x, s * math.radians(n * 30 / 9)),
    "bright": lambda x, s, n: blended(x, 0 * x, s * n),
    "color": lambda x, s, n: blended(x, grey(x), s * n),
    "contrast": lambda x, s, n: blended(x, grey(x).mean((2, 3), keepdim=True), s * n),
    "sharpen": lambda x, s, n: blended(x, (9 * mean3(x) + 4 * x) / 13, s * n),
    "coarse": lambda x, s, n: x - x % 2 ** round(n * 4 / 9),
    "solar": lambda x, s, n: torch.where(x < 255 - n * 255 / 9, x, 255 - x),
    "stretch": lambda x, s, n: (x + largest(-x)) * 255 // (largest(x) + largest(-x)).clamp(min=1),
    "equal": lambda x, s, n: equalized(x),
    "invert": lambda x, s, n: 255 - x,
}


def augment(x: Tensor) -> Tensor:  # crop and flip; then each image draws a policy
    down, right = torch.randint(-4, 5, (2, len(x), 1, 1, 1))
    flip = torch.rand(len(x), 1, 1, 1) < 0.5
    x = moved(x.float(), (1, 0, down), (0, torch.where(flip, -1, 1), 32 * flip + right))
    drawn = torch.randint(len(POLICY), (len(x),))
    for number, policy in enumerate(POLICY):
        for name, probability, level in (policy[:3], policy[3:]):
            chosen = (drawn == number) & (torch.rand(len(x)) < float(probability))
            sign = 1.0 - 2 * torch.randint(2, (int(chosen.sum()), 1, 1, 1))
            x[chosen] = OPERATIONS[name](x[chosen], sign, int(level))
    return x


def cutmix(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:  # images, targets (B, 10)
    side, place = 32 * (1 - torch.rand(len(x), 1)).sqrt(), torch.arange(32)
    inside = [(place - torch.randint(32, (len(x), 1)) + 0.5).abs() < side // 2 for _ in "hw"]
    box = inside[0][:, :, None] & inside[1][:, None] & (torch.rand(len(x), 1, 1) < CUTMIX)
    other, share = torch.randperm(len(x)), box.float().mean((1, 2))[:, None]
    targets = nn.functional.one_hot(torch.stack([labels, labels[other]]), 10).float()
    return torch.where(box[:, None], x[other], x), torch.lerp(*targets, share)


class MixerBlock(nn.Module):
    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.tokens, self.channels = (
            nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))
            for size, hidden in ((tokens, tokens // 2), (dim, 4 * dim))
        )

    def forward(self, x: Tensor) -> Tensor:  # (B, S, C) -> (B, S, C)
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


class Mixer(nn.Module):
    def __init__(self, patch: int = 4, dim: int = 128, depth: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, dim, patch, patch)
        self.blocks = nn.Sequential(*(MixerBlock((32 // patch) ** 2, dim) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(dim, eps=1e-6), nn.Linear(dim, 10)

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, 32, 32), from 0 to 255 -> (B, 10)
        mean, std = torch.tensor([[125.3, 123.0, 113.9], [63.0, 62.1, 66.7]])[..., None, None]
        x = self.stem((images - mean) / std).flatten(2).mT  # (B, S, C)
        return self.head(self.norm(self.blocks(x)).mean(1))


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    answers = torch.cat([net(part.float()).argmax(1) for part in images.split(500)])
    return (answers == labels).double().mean().item()


def train(net: Mixer, data: tuple, held_out: tuple, epochs: int, seed: int, path: Path) -> Mixer:
    matrices = [p for p in net.blocks.parameters() if p.ndim == 2]
    rest = [p for name, p in net.named_parameters() if p.ndim != 2 or "blocks" not in name]
    muon = torch.optim.Muon(matrices, MUON, DECAY, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, ADAMW, (0.9, 0.99), weight_decay=0.0)
    average, step, (images, labels) = copy.deepcopy(net), 0, data
    if path.exists():  # what an interrupted run has left
        net, average, muon, adamw, step = torch.load(path, weights_only=False)
    weights = [[p.data for p in one.parameters()] for one in (average, net)]
    for epoch in range(step * BATCH // len(images), epochs):
        torch.manual_seed(1000 * seed + epoch)  # the same after an interruption
        for part in torch.randperm(len(images)).split(16 * BATCH):
            batches = augment(images[part]).split(BATCH), labels[part].split(BATCH)
            for x, targets in map(cutmix, *batches):
                with torch.autocast(images.device.type, torch.bfloat16, enabled=NATIVE):
                    logits = net(x).float()
                nn.functional.cross_entropy(logits, targets, label_smoothing=SMOOTHING).backward()
                step += 1
                done = step * BATCH / len(images)  # epochs: one of warm-up, then a cosine
                share = min(done, (1 + math.cos(math.pi * (done - 1) / max(1, epochs - 1))) / 2)
                for optimizer, rate in ((muon, MUON), (adamw, ADAMW)):
                    optimizer.param_groups[0]["lr"] = rate * share
                    optimizer.step()
                    optimizer.zero_grad()
                torch._foreach_lerp_(*weights, 1 - AVERAGE * (step > 1) * step / (9 + step))
        torch.save((net, average, muon, adamw, step), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)  # so that the file is never half written
        print(f"epoch {epoch + 1}  validation {accuracy(average, *held_out):.4f}", flush=True)
    return average  # the network with averaged weights


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], usage=argparse.SUPPRESS)
    parser.add_argument("data", nargs="?", default="cifar-10-binary.tar.gz", type=Path)
    parser.add_argument("--seed", default=0, type=int)
    parser.add_argument("--epochs", default=60, type=int)
    options = parser.parse_args()
    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    if not NATIVE:
        Tensor.bfloat16 = Tensor.float  # torch's Muon would wait for emulated bfloat16
    if options.epochs < 1:
        parser.error(f"--epochs {options.epochs} must be 1 or more. Fix: --epochs 60")
    try:
        images, labels, *test = map(torch.as_tensor, load(options.data))
    except Exception as error:  # no file, no network, or a file of another kind
        parser.error(f"{options.data} cannot be read ({error!r:.200}). Fix: another DATA")
    parts = [(images[i], labels[i]) for i in torch.randperm(len(images)).tensor_split([-HELD_OUT])]
    path = Path(f"mixer_cifar10_seed{options.seed}_{options.epochs}_epochs.pt")
    net = train(Mixer(), *parts, options.epochs, options.seed, path)
    print(f"test {accuracy(net, *test):.4f}")  # once, after the last epoch
