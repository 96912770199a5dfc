"""The speed table: `python -m hdd.benchmark [--json FILE]`.

Everything is timed in one process and interleaved: one timed call of each implementation a
round, so that a machine that slows down slows all of them; printed are medians over the rounds. Run
it on an idle machine.
"""

import math
import multiprocessing
import os
import re
import statistics
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from hdd.arguments import check_positive_integers
from hdd.command import OneLineParser, run
from hdd.data_util.auto_augmentation import CIFAR10Policy
from hdd.data_util.batch_augmentation import BatchAugmentation
from hdd.dataset.image_tensors import AUGMENT_AT_ONCE
from hdd.device.utils import get_amp_dtype, keep_freed_memory
from hdd.files import check_writable, write_atomically
from hdd.models.cnn.fast_step import PROOF_IMAGES, choose_step
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import timm_twin
from hdd.timing import Timed, interleaved
from hdd.train.muon import Muon
from hdd.train.records import provenance, to_json

BATCH = 256
SHAPE = {"patch_size": 4, "dim": 128, "depth": 8}  # the document's network
FUSED, PLAIN = "hdd, fused step", "hdd, MLPMixer itself"
TIMM, PACKAGE = "timm", "mlp-mixer-pytorch, float32"
FLOOR = "floor: its matrix products"
KINDS = {FUSED: "fused", PLAIN: "plain", TIMM: "timm", PACKAGE: "mlp-mixer-pytorch"}


def build(kind: str, patch_size: int = 4, dim: int = 128, depth: int = 8) -> nn.Module:
    """Return one implementation of the network, a value of KINDS; the fused step in bfloat16."""
    if kind != "mlp-mixer-pytorch":
        net = MLPMixer(patch_size=patch_size, dim=dim, depth=depth)
        return timm_twin(net) if kind == "timm" else net
    from mlp_mixer_pytorch import MLPMixer as PackageMixer

    return PackageMixer(
        image_size=32,
        channels=3,
        patch_size=patch_size,
        dim=dim,
        depth=depth,
        num_classes=10,
        expansion_factor=0.25,  # of dim, for the tokens: 64 / 2 = 0.25 * 128
        expansion_factor_token=4,  # for the channels: its two names are the other way round
    )


def step_of(kind: str, amp_dtype: torch.dtype, batch: int = 0, **shape: int) -> Timed:
    """Return a whole training step (forward, loss, backward, Adam) of an implementation.

    As it is used: the package in float32.
    """
    net, batch = build(kind, **shape), batch or BATCH
    lower = amp_dtype != torch.float32 and kind not in ("fused", "mlp-mixer-pytorch")
    if kind == "fused":
        net = FusedMixer(net, amp_dtype)
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, betas=(0.9, 0.99), fused=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            loss = criterion(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def matrix_products(dtype: torch.dtype, batch: int) -> Timed:
    """Return the floor of a step: its matrix products alone, each as a linear layer does it.

    A linear layer has three: its output, its input's gradient (not for the stem, whose input is
    the images) and its weight's. Each layer has operands of its own, as in the step: the same ones
    every time would stay in the cache.
    """
    dim, tokens = SHAPE["dim"], (32 // SHAPE["patch_size"]) ** 2
    columns, rows = batch * dim, batch * tokens
    block = [(columns, tokens, tokens // 2), (columns, tokens // 2, tokens)]  # token mixing
    block += [(rows, dim, 4 * dim), (rows, 4 * dim, dim)]  # channel mixing
    stem, head = (rows, 3 * SHAPE["patch_size"] ** 2, dim), (batch, dim, 10)
    layers = []
    for n, inputs, outputs in [stem, *block * SHAPE["depth"], head]:
        shapes = ((n, inputs), (outputs, inputs), (n, outputs))
        layers.append([torch.randn(shape).to(dtype) for shape in shapes])

    def products() -> None:
        for x, weight, _ in layers:
            x @ weight.t()
        for x, weight, grad in reversed(layers):
            grad.t() @ x
            if x is not layers[0][0]:
                grad @ weight

    return products


def time_steps(amp_dtype: torch.dtype, rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds of one training step of each implementation, and of the floor."""
    calls = {name: step_of(kind, amp_dtype) for name, kind in KINDS.items()}
    return interleaved(calls | {FLOOR: matrix_products(amp_dtype, BATCH)}, rounds)


def time_proof(amp_dtype: torch.dtype, rounds: int) -> float:
    """Return the seconds that the fused step's proof takes before each epoch."""
    net, images = build("plain"), torch.randn(PROOF_IMAGES, 3, 32, 32)
    calls = {"proof": lambda: choose_step(net, images, amp_dtype)}
    return interleaved(calls, rounds)["proof"]["median"]


def time_muon(rounds: int) -> dict[str, float]:
    """Return the seconds of one step of Muon on the network's matrices: ours, and the library's.

    They are the same where bfloat16 is native; elsewhere the library's is emulated.
    """
    calls = {}
    for name, kind in {"ours": Muon, "torch.optim.Muon": torch.optim.Muon}.items():
        matrices = [p for p in build("plain").blocks.parameters() if p.ndim == 2]
        for matrix in matrices:
            matrix.grad = torch.randn_like(matrix)
        calls[name] = kind(matrices, 1e-3, 0.1).step
    return {name: t["median"] for name, t in interleaved(calls, rounds).items()}


def time_growth(amp_dtype: torch.dtype, rounds: int) -> dict[str, dict]:
    """Return, by quantity, the step's seconds at several values and the fitted exponent."""
    axes = {
        "tokens": [({"patch_size": p}, BATCH // 4, (32 // p) ** 2) for p in (16, 8, 4, 2)],
        "width": [({"dim": c}, BATCH // 4, c) for c in (64, 128, 256)],
        "depth": [({"depth": d}, BATCH // 4, d) for d in (4, 8, 16)],
        "batch": [({}, b, b) for b in (BATCH // 4, BATCH // 2, BATCH)],
    }
    growth = {}
    for name, points in axes.items():
        calls = {
            str(value): step_of("fused", amp_dtype, batch, **(SHAPE | shape))
            for shape, batch, value in points
        }
        medians = {v: t["median"] for v, t in interleaved(calls, rounds).items()}
        growth[name] = {"seconds": medians, "exponent": _exponent(medians)}
    return growth


def _exponent(seconds: dict[str, float]) -> float:
    """Return the slope of log(seconds) over log(value), by least squares."""
    x = [math.log(float(value)) for value in seconds]
    return statistics.linear_regression(x, [math.log(s) for s in seconds.values()]).slope


def time_augmentation(rounds: int) -> dict[str, float]:
    """Return images a second on one core: ours, and torchvision's pipeline on PIL images.

    Both go from uint8 to normalised floats. The PIL images are made beforehand.
    """
    mean, std = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
    images = _pictures(AUGMENT_AT_ONCE)
    pil = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images[:500]]
    pipeline = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            CIFAR10Policy(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    augment, center, scale = BatchAugmentation(), torch.tensor(mean), torch.tensor(std)

    def whole_batch() -> None:
        for part in augment(images).split(BATCH):
            (part.float() / 255 - center.view(-1, 1, 1)) / scale.view(-1, 1, 1)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    calls = {"ours": whole_batch, "torchvision, PIL": lambda: [pipeline(image) for image in pil]}
    seconds = interleaved(calls, rounds)
    torch.set_num_threads(threads)
    counts = {"ours": len(images), "torchvision, PIL": len(pil)}
    return {name: count / seconds[name]["median"] for name, count in counts.items()}


def _pictures(count: int) -> torch.Tensor:
    """Return uint8 images (count, 3, 32, 32): smooth waves and some noise, no data set needed."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(coarse, size=32, mode="bicubic")
    noise = 0.05 * torch.randn(count, 3, 32, 32, generator=generator)
    return ((smooth + noise) * 255).clamp(0, 255).to(torch.uint8)


def peak_memory(amp_dtype: torch.dtype, kinds: dict[str, str]) -> dict[str, float]:
    """Return MiB that three training steps add to a process, each kind measured in its own.

    On Windows, which does not tell, return nothing.
    """
    if os.name == "nt":
        return {}
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(_memory, (kind, amp_dtype, BATCH)) for name, kind in kinds.items()}


def _memory(kind: str, amp_dtype: torch.dtype, batch: int) -> float:
    keep_freed_memory()
    step = step_of(kind, amp_dtype, batch)
    before = _peak()
    for _ in range(3):
        step()
    return _peak() - before


def _peak() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose ru_maxrss begins with that of the parent process
        kib = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(kib[1]) / 1024
    import resource  # does not exist on Windows, where nothing measures this here

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 1024


def _report(result: dict) -> str:
    """Return the tables as text."""
    steps = result["training_step_seconds"]
    base = steps[TIMM]["median"]
    lines = [
        f"Training step, batch {BATCH}, {result['precision']}      ms (min ... max)     x timm"
    ]
    for name, t in steps.items():
        low, mid, high = (1e3 * t[key] for key in ("min", "median", "max"))
        lines.append(f"  {name:41s}{mid:8.1f} ({low:.1f} ... {high:.1f})  {1e3 * base / mid:8.2f}")
    epoch = 50_000 / BATCH * steps[FUSED]["median"]
    lines.append(
        f"Proof before an epoch, ms {1e3 * result['proof_seconds']:24.1f}"
        f"  {result['proof_seconds'] / epoch:.2%} of one of CIFAR-10"
    )
    lines.append("Step grows with              ms                                exponent")
    for name, growth in result["growth"].items():
        points = ", ".join(f"{v}: {1e3 * s:.0f}" for v, s in growth["seconds"].items())
        lines.append(f"  {name:27s}{points:36s}{growth['exponent']:6.2f}")
    muon = {name: 1e3 * seconds for name, seconds in result["muon_step_seconds"].items()}
    for title, table in (
        ("A step of Muon, ms", muon),
        ("Augmentation, images/s on one core", result["augmentation_images_per_second"]),
        ("Peak memory of a training step, MiB", result["peak_memory_mib"]),
    ):
        lines += [title, *(f"  {name:32s}{value:10,.0f}" for name, value in table.items())]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and write the JSON file if one is wanted."""
    parser = OneLineParser(prog="python -m hdd.benchmark", description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--rounds", type=int, default=9, help="rounds a table (default 9)")
    return run(_table, parser, argv)


def _table(json: Path | None, rounds: int) -> None:
    """Measure all, print the table and write it."""
    check_positive_integers(rounds=rounds)
    for kind in KINDS.values():
        build(kind)
    if json is not None:
        check_writable(json)
    result = _measure(rounds)
    print(_report(result))
    if json is not None:
        write_atomically(json, to_json(result))


def _measure(rounds: int) -> dict:
    """Return what the JSON file holds."""
    amp_dtype = get_amp_dtype("cpu")
    return {
        "precision": str(amp_dtype).removeprefix("torch."),
        "rounds": rounds,
        "training_step_seconds": time_steps(amp_dtype, rounds),
        "proof_seconds": time_proof(amp_dtype, rounds),
        "muon_step_seconds": time_muon(rounds),
        "growth": time_growth(amp_dtype, rounds),
        "augmentation_images_per_second": time_augmentation(rounds),
        "peak_memory_mib": peak_memory(amp_dtype, KINDS),
        **provenance("cpu"),
    }


if __name__ == "__main__":
    sys.exit(main())
