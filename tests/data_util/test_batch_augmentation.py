import collections
import itertools
import math

import pytest
import torch
from PIL import Image
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, functional, v2
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from hdd.data_util.auto_augmentation import CIFAR10Policy
from hdd.data_util.batch_augmentation import (
    BatchAugmentation,
    BatchAutoAugment,
    CutMix,
    equalize,
    random_crop_and_flip,
    sharpen,
)


def picture(channels=3, size=16):
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 120, (channels, size, size), generator=generator)
    ramp = torch.arange(size) * (120 // size)  # left and right, and the greys, differ
    return (noise + ramp + 10).to(torch.uint8)


def test_policies_are_torchvisions():
    policy = CIFAR10Policy()
    assert isinstance(policy, AutoAugment)
    assert policy.policies == AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    assert len(policy.policies) == 25


@pytest.mark.parametrize("kind", [lambda tensor: tensor, to_pil_image], ids=["tensor", "PIL"])
def test_same_seed_same_picture_as_torchvision(kind):
    image = kind(picture())
    changed = 0
    for seed in range(60):
        torch.manual_seed(seed)
        ours = CIFAR10Policy()(image)
        torch.manual_seed(seed)
        theirs = AutoAugment(AutoAugmentPolicy.CIFAR10)(image)
        assert type(ours) is type(image)
        if isinstance(image, Image.Image):
            assert ours.mode == image.mode
            ours, theirs = pil_to_tensor(ours), pil_to_tensor(theirs)
        assert torch.equal(ours, theirs)
        changed += not torch.equal(ours, picture())
    assert changed > 20


@pytest.mark.parametrize("channels", [1, 3])
def test_batch_keeps_shape_dtype_and_input(channels):
    torch.manual_seed(0)
    images = picture(channels).repeat(64, 1, 1, 1)
    before = images.clone()
    result = BatchAutoAugment()(images)
    assert result.shape == images.shape
    assert result.dtype == torch.uint8
    assert torch.equal(images, before)
    assert not torch.equal(result, before)


def test_images_of_a_batch_draw_for_themselves():
    torch.manual_seed(0)
    result = BatchAutoAugment()(picture().repeat(64, 1, 1, 1))
    assert len({image.numpy().tobytes() for image in result}) > 20


def statistics(images, original):
    """Figures of each image that different operations move: (N, 7)."""
    pixels = images.double() / 255
    left, right = pixels[..., :8].mean((1, 2, 3)), pixels[..., 8:].mean((1, 2, 3))
    top, bottom = pixels[:, :, :8].mean((1, 2, 3)), pixels[:, :, 8:].mean((1, 2, 3))
    black, white = images == 0, images == 255
    return torch.stack(
        [
            (images == original).flatten(1).all(1).double(),  # nothing happened
            pixels.mean((1, 2, 3)),
            pixels.std((1, 2, 3)),
            black.double().mean((1, 2, 3)),  # fill of shears, shifts, rotations
            white.double().mean((1, 2, 3)),
            right - left,  # signs of the horizontal operations
            bottom - top,
        ],
        dim=1,
    )


def assert_same_mean(a, b):
    error = (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
    z = (a.mean(0) - b.mean(0)) / error
    assert z.abs().max() < 4, z


def test_batch_draws_from_the_distribution_of_the_per_image_transform():
    torch.manual_seed(0)
    n, image = 50_000, picture()
    one, batch = CIFAR10Policy(), BatchAutoAugment()
    theirs = statistics(torch.stack([one(image) for _ in range(n)]), image)
    ours = statistics(batch(image.repeat(n, 1, 1, 1)), image)
    for power in (1, 2):  # the squares compare the spread: one sign only would change it
        assert_same_mean(ours**power, theirs**power)


def test_small_batches_draw_the_same_as_one_large_batch():
    torch.manual_seed(0)
    image, batch = picture(), BatchAutoAugment()
    parts = torch.cat([batch(image.repeat(8, 1, 1, 1)) for _ in range(400)])
    whole = batch(image.repeat(6000, 1, 1, 1))
    assert_same_mean(statistics(parts, image), statistics(whole, image))


@pytest.mark.parametrize("padding", [0, 1, 4])
def test_crop_and_flip_draw_every_place_and_side_alike(padding):
    torch.manual_seed(0)
    image = picture(size=12) // 2 + 1  # no zeros of its own
    places = 2 * padding + 1
    n = 40 * 2 * places**2
    padded = torch.nn.functional.pad(image, (padding,) * 4)
    windows = {}
    for top, left, flip in itertools.product(range(places), range(places), (False, True)):
        window = padded[:, top : top + 12, left : left + 12]
        windows[(window.flip(-1) if flip else window).numpy().tobytes()] = (top, left, flip)
    result = random_crop_and_flip(image.repeat(n, 1, 1, 1), padding)
    assert result.dtype == torch.uint8
    seen = collections.Counter(windows[crop.numpy().tobytes()] for crop in result)
    assert set(seen) == set(windows.values())
    assert max(seen.values()) < 40 + 5 * math.sqrt(40)  # all alike


def odd_images(channels):
    """Photographs' awkward cases: one grey level, two of them, every level, noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, channels, 16, 16), generator=generator, dtype=torch.uint8)
    images[0] = 7
    images[1, :, :15] = 200
    images[2] = torch.arange(256).view(16, 16)
    images[3:20] //= 4
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_own_operations_equal_torchvisions(channels):
    images = odd_images(channels)
    assert torch.equal(equalize(images), functional.equalize(images))
    for factor in (0.1, 0.5, 1.0, 1.3, 1.9):
        assert torch.equal(sharpen(images, factor), functional.adjust_sharpness(images, factor))


class TestCutMix:
    def mix(self, probability=1.0, n=4000):
        """Mix n images, image i all grey level of its class i % 10."""
        torch.manual_seed(0)
        labels = torch.arange(n) % 10
        images = labels.to(torch.uint8).view(-1, 1, 1, 1).expand(n, 1, 16, 16).contiguous()
        return labels, *CutMix(probability, 10)(images, labels)

    def test_targets_are_the_shares_of_the_pixels(self):
        _, images, targets = self.mix()
        pixels = torch.stack([(images == k).float().mean((1, 2, 3)) for k in range(10)], 1)
        assert torch.allclose(targets, pixels, atol=1e-6)

    def test_a_box_is_a_rectangle(self):
        labels, images, _ = self.mix(n=200)
        for label, image in zip(labels, images[:, 0], strict=True):
            box = image != label
            rows, columns = box.any(1), box.any(0)
            assert torch.equal(box, rows[:, None] & columns[None])
            assert rows.int().diff().abs().sum() <= 2
            assert columns.int().diff().abs().sum() <= 2

    @pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
    def test_share_of_mixed_images(self, probability):
        labels, images, targets = self.mix(probability)
        touched = (images[:, 0].flatten(1) != labels[:, None]).any(1).double().mean().item()
        # One partner in ten has the same class, and some boxes are empty.
        assert 0.75 * probability <= touched <= 0.9 * probability + 0.02
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)))

    def test_the_uncut_share_agrees_with_torchvisions(self):
        labels, _, targets = self.mix(n=20_000)
        kept = targets.gather(1, labels[:, None]).double().flatten()
        torch.manual_seed(1)
        theirs = []
        one_hot = v2.CutMix(alpha=1.0, num_classes=2)
        image = torch.zeros(2, 1, 16, 16)
        for _ in range(4000):  # its box is drawn once for a batch
            theirs.append(one_hot(image, torch.tensor([0, 1]))[1][0, 0].item())
        theirs = torch.tensor(theirs, dtype=torch.float64)
        # A tenth of our partners share the class and then keep all of it.
        assert abs(kept.mean() - (0.9 * theirs.mean() + 0.1)) < 0.02


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_pipeline(channels):
    torch.manual_seed(0)
    images = picture(channels).repeat(200, 1, 1, 1)
    plain = BatchAugmentation(auto_augment=False, padding=2)(images)
    full = BatchAugmentation(padding=2)(images)
    for result in (plain, full):
        assert result.shape == images.shape
        assert result.dtype == torch.uint8
    # Crops and flips alone: 5 x 5 offsets, mirrored or not.
    assert len({image.numpy().tobytes() for image in plain}) <= 50
    assert len({image.numpy().tobytes() for image in full}) > 100


@pytest.mark.parametrize("policy_id", [0, 7, 24])
def test_one_sub_policy_can_be_had_alone(policy_id):
    torch.manual_seed(0)
    image, one = picture(), CIFAR10Policy()
    one.policies = [one.policies[policy_id]]
    theirs = {one(image).numpy().tobytes() for _ in range(400)}
    images = image.repeat(400, 1, 1, 1)
    ours = BatchAutoAugment().apply_sub_policy(images, policy_id)
    assert {result.numpy().tobytes() for result in ours} == theirs
    assert len(theirs) > 1
    assert (images == image).all()
