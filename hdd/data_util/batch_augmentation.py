"""The source document's augmentation on whole uint8 batches: crop, flip, AutoAugment.

Every image draws its own crop, flip and sub-policy, as in the per-image pipeline; images that drew
the same operation are then transformed together, which is what makes it fast.
"""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.autoaugment import _apply_op

from hdd.data_util.auto_augmentation import CIFAR10Policy


def random_crop(images: Tensor, padding: int = 4) -> Tensor:
    """Pad (B, C, H, W) with zeros and cut an H x W window at a random place of each image."""
    b, c, h, w = images.shape
    padded = functional.pad(images, (padding,) * 4)  # (B, C, H + 2p, W + 2p)
    top = torch.randint(2 * padding + 1, (b, 1, 1, 1))
    left = torch.randint(2 * padding + 1, (b, 1, 1, 1))
    rows = top + torch.arange(h).view(1, 1, h, 1)  # (B, 1, H, 1)
    columns = left + torch.arange(w).view(1, 1, 1, w)  # (B, 1, 1, W)
    image, channel = torch.arange(b).view(b, 1, 1, 1), torch.arange(c).view(1, c, 1, 1)
    return padded[image, channel, rows, columns]  # (B, C, H, W)


def random_flip(images: Tensor) -> Tensor:
    """Mirror each image of (B, C, H, W) left to right with probability 1/2."""
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    return torch.where(flip, images.flip(-1), images)


class BatchAutoAugment:
    """CIFAR10Policy on a uint8 batch (B, C, H, W), with a sub-policy drawn for each image."""

    def __init__(self) -> None:
        self.policy = CIFAR10Policy()

    def __call__(self, images: Tensor) -> Tensor:
        images = images.clone()
        drawn = torch.randint(len(self.policy.policies), (len(images),))  # (B,)
        for policy_id in drawn.unique().tolist():
            members = (drawn == policy_id).nonzero().flatten()
            images[members] = self.apply_sub_policy(images[members], policy_id)
        return images

    def apply_sub_policy(self, images: Tensor, policy_id: int) -> Tensor:
        """Apply one of the 25 sub-policies to (B, C, H, W); each image draws chance and sign."""
        images = images.clone()
        for operation, probability, level in self.policy.policies[policy_id]:
            chosen = (torch.rand(len(images)) <= probability).nonzero().flatten()
            self._apply(images, chosen, operation, level)
        return images

    def _apply(self, images: Tensor, chosen: Tensor, operation: str, level: int | None) -> None:
        """Apply one operation in place to the images at `chosen`, with a random sign for each."""
        space = self.policy._augmentation_space(10, tuple(images.shape[-2:]))
        magnitudes, signed = space[operation]
        strength = float(magnitudes[level]) if level is not None else 0.0
        negative = torch.rand(len(chosen)) < 0.5 if signed else torch.zeros(len(chosen)) > 0
        for part, sign in ((chosen[~negative], 1), (chosen[negative], -1)):
            if len(part):
                images[part] = _apply_op(
                    images[part], operation, sign * strength, self.policy.interpolation, None
                )


class CutMix:
    """CutMix (Yun et al., 2019, arXiv 1905.04899) with a box and a partner drawn for each image.

    Args:
        probability: that an image gets a box of another image of the batch.
        num_classes: K, width of the targets.
    """

    def __init__(self, probability: float, num_classes: int) -> None:
        self.probability, self.num_classes = probability, num_classes

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (B, C, H, W) with boxes pasted in, and targets (B, K) that sum to 1."""
        b, _, h, w = images.shape
        side = (1 - torch.rand(b)).sqrt()  # the box covers a share that is uniform on [0, 1]
        chosen = torch.rand(b) < self.probability
        rows = self._inside(h, side)[:, :, None]  # (B, H, 1)
        box = rows & self._inside(w, side)[:, None, :] & chosen[:, None, None]  # (B, H, W)
        partner = torch.randperm(b)
        box = box.to(images.device)
        mixed = torch.where(box[:, None], images[partner], images)
        share = box.float().mean((1, 2))[:, None]  # (B, 1): after clipping at the border
        target = functional.one_hot(labels, self.num_classes).float()
        return mixed, torch.lerp(target, target[partner], share)

    @staticmethod
    def _inside(length: int, side: Tensor) -> Tensor:
        """Return (B, length): which pixels of one axis lie in a box with a uniform centre."""
        centre = torch.randint(length, (len(side), 1))
        half = (side[:, None] * length).int() // 2
        place = torch.arange(length)
        return (place >= centre - half) & (place < centre + half)


class BatchAugmentation:
    """The document's training pipeline on a uint8 batch: crop, flip and, if wanted, AutoAugment.

    Args:
        auto_augment: whether AutoAugment follows the crop and the flip.
        padding: pixels that the crop may move an image by.
    """

    def __init__(self, *, auto_augment: bool = True, padding: int = 4) -> None:
        self.padding = padding
        self.auto_augment = BatchAutoAugment() if auto_augment else None

    def __call__(self, images: Tensor) -> Tensor:
        images = random_flip(random_crop(images, self.padding))
        return self.auto_augment(images) if self.auto_augment else images
