"""The source document's augmentation on whole uint8 batches: crop, flip, AutoAugment.

Every image draws its own crop, flip and sub-policy, as in the per-image pipeline; images that drew
the same operation are then transformed together, which is what makes it fast. Batches may be on any
device; chance comes from the CPU's generator, so that the same call draws the same on each of them.
(A `BatchLoader` does not make the same calls: on a GPU it augments more images at once.)
"""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.autoaugment import _apply_op

from hdd.arguments import (
    check_integers,
    check_pixels,
    check_positive_integers,
    check_range,
    check_shape,
    checked,
    shown,
)
from hdd.data_util.auto_augmentation import CIFAR10Policy


@checked
def random_crop_and_flip(images: Tensor, padding: int = 4) -> Tensor:
    """Pad (B, C, H, W) with zeros, cut an H x W window at a random place, mirror every second one.

    Each image draws its own place and its own mirroring (left to right, probability 1/2). All
    three steps are one look-up by pixel number.
    """
    check_shape("(B, C, H, W)", images=images)
    check_integers(0, padding=padding)
    b, c, h, w = images.shape
    padded = functional.pad(images, (padding,) * 4)  # (B, C, H + 2p, W + 2p)
    top = torch.randint(2 * padding + 1, (b, 1, 1))
    left = torch.randint(2 * padding + 1, (b, 1, 1))
    mirrored = torch.rand(b, 1, 1) < 0.5
    top, left, mirrored = (drawn.to(images.device) for drawn in (top, left, mirrored))
    row, column = (torch.arange(length, device=images.device) for length in (h, w))
    columns = left + torch.where(mirrored, w - 1 - column, column)  # (B, 1, W)
    pixels = (top + row[:, None]) * (w + 2 * padding) + columns  # (B, H, W)
    pixels = pixels.view(b, 1, h * w).expand(b, c, h * w)
    return padded.flatten(2).gather(2, pixels).view(b, c, h, w)


@checked
def equalize(images: Tensor) -> Tensor:
    """Spread the grey levels of each channel of (B, C, H, W) evenly, as Pillow does.

    The same result as torchvision's `equalize`, whose histograms are made one at a time.
    """
    check_pixels("(B, C, H, W)", images)
    b, c, h, w = images.shape
    rows = images.reshape(b * c, h * w).long()
    counts = torch.zeros(b * c, 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(1, rows, torch.ones_like(rows))  # bincount would wait for a GPU
    brightest = counts.gather(1, rows.amax(1, keepdim=True))
    step = (h * w - brightest) // 255  # (B * C, 1)
    table = (counts.cumsum(1) - counts + step // 2) // step.clamp(min=1)
    table = table.clamp(max=255).to(torch.uint8)
    table = torch.where(step == 0, torch.arange(256, device=images.device).byte(), table)
    return table.gather(1, rows).view(b, c, h, w)


@checked
def sharpen(images: Tensor, factor: float) -> Tensor:
    """Blend uint8 (B, C, H, W) with its blurred self: factor 1 keeps it, 0 blurs, 2 sharpens.

    The same result as torchvision's `adjust_sharpness`, whose blur is a slow convolution; here the
    3x3 mean with a fivefold centre is a sum of shifted copies.
    """
    check_pixels("(B, C, H, W)", images)
    pixels = images.float()
    rows = pixels[..., :-2, :] + pixels[..., 1:-1, :] + pixels[..., 2:, :]  # (B, C, H - 2, W)
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]  # (B, C, H - 2, W - 2)
    blurred = pixels.clone()  # the border has no blur
    inner = blurred[..., 1:-1, 1:-1]
    torch.round(inner.mul_(4).add_(box).div_(13), out=inner)
    return pixels.mul_(factor).add_(blurred.mul_(1 - factor)).clamp_(0, 255).to(torch.uint8)


class BatchAutoAugment:
    """CIFAR10Policy on a uint8 batch (B, C, H, W), with a sub-policy drawn for each image.

    Images that drew the same operation are transformed together, whatever their sub-policy: the
    larger the batch, the fewer calls an image costs.
    """

    def __init__(self) -> None:
        self.policy = CIFAR10Policy()
        steps = [step for policy in self.policy.policies for step in policy]  # 2 a policy
        self.operations = sorted({(name, level or 0) for name, _, level in steps})
        number = {operation: i for i, operation in enumerate(self.operations)}
        numbers = [number[name, level or 0] for name, _, level in steps]
        self._number = torch.tensor(numbers).view(-1, 2)  # (25, 2)
        self._probability = torch.tensor([p for _, p, _ in steps]).view(-1, 2)  # (25, 2)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the batch augmented, in new memory; ValueError if it is no uint8 batch."""
        _check_tensors(images=images)
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"AutoAugment takes uint8 (B, 1 or 3, H, W), not images={images.dtype} "
                f"{tuple(images.shape)}. Fix: augment before normalising."
            )
        drawn = torch.randint(len(self._number), (len(images),))  # a sub-policy for each
        images = images.clone(memory_format=torch.contiguous_format)
        for i in (0, 1):
            chosen = torch.rand(len(images)) <= self._probability[drawn, i]
            negative = (torch.rand(len(images)) < 0.5).long()
            group = torch.where(chosen, 2 * self._number[drawn, i] + negative, -1)
            sizes = torch.bincount(group + 1, minlength=2 * len(self.operations) + 1).tolist()
            members = group.argsort().to(images.device).split(sizes)
            for j, indices in enumerate(members[1:]):  # the first are those not chosen
                if len(indices):
                    images[indices] = self._operate(images[indices], j // 2, sign=1 - 2 * (j % 2))
        return images

    def _operate(self, images: Tensor, number: int, sign: int) -> Tensor:
        """Return the images after one operation, with one sign of its strength."""
        operation, level = self.operations[number]
        magnitudes, signed = self.policy._augmentation_space(10, tuple(images.shape[-2:]))[
            operation
        ]
        strength = float(magnitudes[level]) if magnitudes.ndim else 0.0
        strength *= sign if signed else 1
        if operation == "Equalize":
            return equalize(images)
        if operation == "Sharpness":
            return sharpen(images, 1 + strength)
        return _apply_op(images, operation, strength, self.policy.interpolation, None)


class CutMix:
    """CutMix (Yun et al., 2019, arXiv 1905.04899) with a box and a partner drawn for each image.

    Args:
        probability: that an image gets a box of another image of the batch.
        num_classes: K, width of the targets.
    """

    @checked
    def __init__(self, probability: float, num_classes: int) -> None:
        check_range(0, 1, probability=probability)
        check_positive_integers(num_classes=num_classes)
        self.probability, self.num_classes = probability, num_classes

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (B, C, H, W) with boxes pasted in, and targets (B, K) that sum to 1.

        Raises:
            ValueError: no batch and its labels, or labels outside 0 to K - 1. On a GPU, where a
                look at them would make every batch wait, it is `train_one_epoch` that looks.
        """
        _check_tensors(images=images, labels=labels)
        check_shape("(B, C, H, W)", images=images)
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels={labels.dtype} {tuple(labels.shape)} must be int64 ({len(images)},), one "
                "an image. Fix: labels.long(); mix a batch once only."
            )
        if labels.device.type == "cpu" and len(labels):
            low, high = (int(value) for value in labels.aminmax())
            if low < 0 or high >= self.num_classes:
                raise ValueError(
                    f"Labels go from {low} to {high}, but CutMix was made for {self.num_classes} "
                    f"classes. Fix: num_classes={max(high + 1, 1)}, and labels from 0."
                )
        b, _, h, w = images.shape
        side = (1 - torch.rand(b, 1)).sqrt()  # the box covers a share that is uniform on [0, 1]
        chosen = torch.rand(b, 1) < self.probability
        drawn = self._inside(h, side) & chosen, self._inside(w, side), torch.randperm(b)
        rows, columns, partner = (part.to(images.device) for part in drawn)
        box = rows[:, :, None] & columns[:, None, :]  # (B, H, W)
        mixed = torch.where(box[:, None], images[partner], images)
        share = box.float().mean((1, 2))[:, None]  # (B, 1): after clipping at the border
        target = functional.one_hot(labels, self.num_classes).float()
        return mixed, torch.lerp(target, target[partner], share)

    @staticmethod
    def _inside(length: int, side: Tensor) -> Tensor:
        """Return (B, length): which pixels of one axis lie in a box with a uniform centre."""
        centre = torch.randint(length, (len(side), 1))
        half = (side * length).int() // 2  # (B, 1)
        place = torch.arange(length)
        return (place >= centre - half) & (place < centre + half)


def _check_tensors(**values: Tensor) -> None:
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}={shown(value)} must be a tensor. Fix: {name}=data.{name}.")


class BatchAugmentation:
    """The document's training pipeline on a uint8 batch: crop, flip and, if wanted, AutoAugment.

    Args:
        auto_augment: whether AutoAugment follows the crop and the flip.
        padding: pixels that the crop may move an image by.
    """

    @checked
    def __init__(self, *, auto_augment: bool = True, padding: int = 4) -> None:
        check_integers(0, 1024, padding=padding)
        self.padding = padding
        self.auto_augment = BatchAutoAugment() if auto_augment else None

    def __call__(self, images: Tensor) -> Tensor:
        images = random_crop_and_flip(images, self.padding)
        return self.auto_augment(images) if self.auto_augment else images
