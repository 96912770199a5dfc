from dataclasses import replace

import numpy as np
import pytest
import torch

from hdd.data_util.batch_augmentation import CutMix, random_crop_and_flip
from hdd.dataset.image_tensors import (
    BatchLoader,
    ImageTensors,
    channel_statistics,
    split_validation,
)
from hdd.dataset.loading import FASHION_CLASSES, load


@pytest.fixture(scope="module")
def mini():
    return load("fashion_mnist_mini")


def make_data(n=20, classes=2):
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 2).contiguous()
    names = tuple(f"class {c}" for c in range(classes))
    return ImageTensors(images, torch.arange(n) % classes, names, (0.0,), (1 / 255,))


class TestSplit:
    def test_stratified_disjoint_and_complete(self, mini):
        train, validation = split_validation(mini[0], 0.1, seed=0)
        assert train.labels.bincount().tolist() == [900] * 10
        assert validation.labels.bincount().tolist() == [100] * 10
        held_in, held_out, whole = (
            [image.tobytes() for image in part.images.numpy()]
            for part in (train, validation, mini[0])
        )
        assert sorted(held_in + held_out) == sorted(whole)
        assert train.mean == validation.mean == mini[0].mean
        assert train.class_names == validation.class_names == FASHION_CLASSES

    def test_the_seed_decides(self):
        data = make_data(100)
        first, again, other = (
            split_validation(data, 0.3, seed)[1].images.flatten().tolist() for seed in (1, 1, 2)
        )
        assert first == again
        assert first != other

    def test_images_keep_their_labels(self):
        data = make_data(100, classes=5)
        for part in split_validation(data, 0.2):
            assert torch.equal(part.images[:, 0, 0, 0] % 5, part.labels.to(torch.uint8))

    @pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 0.01, 0.99])
    def test_a_side_left_empty_is_an_error(self, fraction):
        with pytest.raises(ValueError, match=f"fraction={fraction}") as error:
            split_validation(make_data(20), fraction)
        assert "'class 0' (10 images)" in str(error.value)
        assert "Fix:" in str(error.value)


class TestBatchLoader:
    @staticmethod
    def epoch(loader):
        """Return the first pixels, which number the images of make_data."""
        return torch.cat([images[:, 0, 0, 0] for images, _ in loader]).round().int().tolist()

    def test_no_images_are_no_batches(self):
        loader = BatchLoader(make_data(20).subset(torch.arange(0)), 8)
        assert len(loader) == len(list(loader)) == 0

    def test_covers_every_image_once_with_a_smaller_last_batch(self):
        loader = BatchLoader(make_data(20), 8)
        assert [len(labels) for _, labels in loader] == [8, 8, 4]
        assert len(loader) == 3
        assert self.epoch(loader) == list(range(20))
        assert sorted(self.epoch(BatchLoader(make_data(20), 8, shuffle=True))) == list(range(20))

    def test_labels_stay_with_their_images(self):
        for images, labels in BatchLoader(make_data(21, classes=7), 4, shuffle=True):
            assert (images[:, 0, 0, 0].round().long() % 7).tolist() == labels.tolist()

    def test_new_order_every_epoch_and_the_same_ones_for_a_seed(self):
        loaders = [BatchLoader(make_data(50), 8, shuffle=True, seed=s) for s in (3, 3, 4)]
        orders = [[self.epoch(loader) for _ in range(3)] for loader in loaders]
        assert orders[0] == orders[1]
        assert orders[0][0] != orders[2][0]
        assert orders[0][0] != orders[0][1] != orders[0][2]

    def test_global_seed_has_no_say_in_the_order(self):
        torch.manual_seed(0)
        first = self.epoch(BatchLoader(make_data(50), 8, shuffle=True))
        torch.manual_seed(1)
        assert self.epoch(BatchLoader(make_data(50), 8, shuffle=True)) == first

    def test_pixels_are_normalised(self, mini):
        ((images, _),) = BatchLoader(mini[0], len(mini[0]))
        assert images.dtype == torch.float32
        assert images.mean().item() == pytest.approx(0, abs=1e-3)
        assert images.std().item() == pytest.approx(1, abs=1e-3)

    def test_augment_gets_uint8_and_many_images_but_not_all(self):
        seen = []

        def brighter(images):
            seen.append((images.dtype, len(images)))
            return images + 100

        assert self.epoch(BatchLoader(make_data(10), 6, augment=brighter)) == list(range(100, 110))
        assert len(list(BatchLoader(make_data(5000), 1024, augment=brighter))) == 5
        assert {dtype for dtype, _ in seen} == {torch.uint8}
        assert [n for _, n in seen] == [10, 2048, 2048, 904]

    def test_mix_gets_one_batch_and_its_labels(self):
        def one_hot(images, labels):
            return images, torch.eye(len(labels))

        loader = BatchLoader(make_data(10), 6, mix=one_hot)
        assert [targets.shape for _, targets in loader] == [(6, 6), (4, 4)]

    @pytest.mark.parametrize("mix", [lambda a, b: a, lambda a, b: (a, b, 1), lambda a, b: (a, [0])])
    def test_mix_returns_a_pair(self, mix):
        with pytest.raises(ValueError, match=r"mix returned .*not a pair.*Fix: a function"):
            list(BatchLoader(make_data(10), 6, mix=mix))

    @pytest.mark.parametrize("size", [0, -1])
    def test_bad_batch_size(self, size):
        with pytest.raises(ValueError, match=f"batch_size={size}"):
            BatchLoader(make_data(), size)


class TestImageTensors:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"images": torch.zeros(20, 1, 2, 2)},
            {"images": torch.zeros(20, 2, 2, dtype=torch.uint8)},
            {"labels": torch.zeros(19, dtype=torch.long)},
        ],
    )
    def test_other_tensors_are_refused(self, wrong):
        with pytest.raises(ValueError, match="Fix: uint8 images"):
            replace(make_data(20), **wrong)

    @pytest.mark.parametrize("labels", [torch.arange(20) - 1, torch.arange(20) % 3])
    def test_labels_without_a_name_are_refused(self, labels):
        with pytest.raises(ValueError, match=r"labels go from .* class_names has 2 names.*Fix:"):
            replace(make_data(20), labels=labels)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.uint8, torch.int32])
    def test_labels_are_int64(self, dtype):
        with pytest.raises(ValueError, match=r"labels torch\..*Fix: .*labels\.long\(\)"):
            replace(make_data(20), labels=(torch.arange(20) % 2).to(dtype))

    @pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
    def test_statistics_and_names_may_come_as_lists_and_arrays(self, kind):
        data = make_data(20)
        names = list if kind is torch.tensor else kind
        lists = {"mean": kind([0.0]), "std": kind([1 / 256]), "class_names": names(["a", "b"])}
        other = replace(data, **lists)
        assert (other.mean, other.std, other.class_names) == ((0.0,), (1 / 256,), ("a", "b"))
        same = replace(data, std=(1 / 256,))
        assert torch.equal(other.normalize(data.images), same.normalize(data.images))

    def test_a_mask_has_one_axis(self):
        data = make_data(20)
        chosen = data.labels == 1
        assert data.subset(chosen).images[:, 0, 0, 0].tolist() == list(range(1, 20, 2))
        for mask in (chosen[:, None], torch.tensor(True), chosen[:-1], chosen[None]):
            with pytest.raises(ValueError, match=r"indices=torch\.bool .*Fix: indices="):
                data.subset(mask)

    def test_a_constant_channel_can_be_normalised(self):
        images = torch.full((4, 2, 3, 3), 51, dtype=torch.uint8)
        images[:, 1, 0] = 0
        mean, std = channel_statistics(images)
        assert mean == pytest.approx((0.2, 0.2 * 2 / 3))
        data = ImageTensors(images, torch.zeros(4, dtype=torch.long), ("a",), mean, std)
        assert data.normalize(images)[:, 0].abs().max() < 1e-6
        assert data.normalize(images)[:, 1].std(correction=0) == pytest.approx(1)


def test_batches_come_from_where_the_images_are(one_device):
    """The whole pipeline on a device of its own, where mixing with the CPU's is an error."""
    data = make_data(40)
    data = replace(data, images=data.images.to("meta"), labels=data.labels.to("meta"))
    mix = CutMix(1.0, 2)
    loader = BatchLoader(data, 16, shuffle=True, augment=random_crop_and_flip, mix=mix)
    with one_device:
        batches = list(loader)
    assert [targets.shape for _, targets in batches] == [(16, 2), (16, 2), (8, 2)]
    assert {tensor.device.type for batch in batches for tensor in batch} == {"meta"}
