import collections
import itertools
import math

import pytest
import torch
from torchvision.transforms import functional, v2

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


def outcomes(image):
    """Return {result: its probability} of torchvision's transform, for every draw it can make."""
    one, result = CIFAR10Policy(), collections.Counter()
    for policy_id, ((_, p, _), (_, q, _)) in enumerate(one.policies):
        for apply, signs in itertools.product(itertools.product((0, 1), repeat=2), repeat=2):
            draw = (policy_id, torch.tensor([2.0, 0.0])[list(apply)], torch.tensor(signs))
            one.get_params = lambda _, draw=draw: draw
            chance = (p if apply[0] else 1 - p) * (q if apply[1] else 1 - q) / 4
            result[one(image).numpy().tobytes()] += chance / len(one.policies)
    return {key: chance for key, chance in result.items() if chance}


def assert_drawn_from(expected, results):
    """No other result than the expected ones, each about as often as expected."""
    seen, n = collections.Counter(r.numpy().tobytes() for r in results), len(results)
    assert set(seen) <= set(expected)
    for key, chance in expected.items():
        spread = math.sqrt(n * chance * (1 - chance))
        assert abs(seen[key] - n * chance) < 5 * spread + 1, (seen[key], n * chance)


def test_each_image_draws_as_in_the_per_image_transform():
    torch.manual_seed(0)
    image, augment = picture(size=8), BatchAutoAugment()
    expected = outcomes(image)
    assert len(expected) > 50
    for batch, rounds in ((10_000, 1), (8, 75)):
        images = image.repeat(batch, 1, 1, 1)
        assert_drawn_from(expected, torch.cat([augment(images) for _ in range(rounds)]))


@pytest.mark.parametrize(
    "seen", [lambda x: x.to(memory_format=torch.channels_last), lambda x: x.mT.contiguous().mT]
)
def test_memory_layout_makes_no_difference(seen):
    images = torch.stack([picture().roll(i, 2) for i in range(300)])
    for augment in (BatchAugmentation(), BatchAutoAugment(), equalize):
        torch.manual_seed(0)
        plain = augment(images)
        torch.manual_seed(0)
        assert torch.equal(augment(seen(images)), plain)


@pytest.mark.parametrize(
    "images",
    [torch.rand(4, 3, 8, 8), torch.zeros(4, 2, 8, 8, dtype=torch.uint8), picture()],
)
def test_what_is_no_uint8_batch_is_refused(images):
    with pytest.raises(ValueError, match=r"AutoAugment takes uint8.*Fix: augment before norm"):
        BatchAutoAugment()(images)


def test_everything_is_computed_where_the_images_are(one_device):
    torch.manual_seed(0)
    images = torch.zeros(1000, 3, 8, 8, dtype=torch.uint8, device="meta")  # every operation occurs
    labels = torch.zeros(1000, dtype=torch.long, device="meta")
    with one_device:
        augmented = BatchAugmentation()(images)
        mixed, targets = CutMix(1.0, 10)(augmented, labels)
    assert {t.device.type for t in (augmented, mixed, targets)} == {"meta"}
    assert mixed.shape == images.shape


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


@pytest.mark.parametrize("change", [equalize, lambda images: sharpen(images, 1.0)])
def test_single_operations_take_pixels_only(change):
    with pytest.raises(ValueError, match=r"images are torch\.float32\. Fix: .*torch\.uint8"):
        change(torch.rand(1, 1, 4, 4))


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
        for _ in range(1500):  # its box is drawn once for a batch
            theirs.append(one_hot(image, torch.tensor([0, 1]))[1][0, 0].item())
        theirs = torch.tensor(theirs, dtype=torch.float64)
        # A tenth of our partners share the class and then keep all of it.
        assert abs(kept.mean() - (0.9 * theirs.mean() + 0.1)) < 0.025

    @pytest.mark.parametrize("labels", [[0, 11], [-1, 0]])
    def test_labels_of_other_classes_are_named(self, labels):
        with pytest.raises(ValueError, match=r"Labels go from .*made for 10 classes.*Fix: num_cl"):
            CutMix(1.0, 10)(torch.zeros(2, 1, 4, 4), torch.tensor(labels))
