import hashlib
import pickle
import shutil
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from hdd.dataset import image_folder, loading
from hdd.dataset.loading import CIFAR10_CLASSES, FASHION_CLASSES, MINI_FILE, load


@pytest.fixture(scope="module")
def mini():
    return load("fashion_mnist_mini")


class TestEmbedded:
    def test_shapes_dtypes_and_class_counts(self, mini):
        for split, n in zip(mini, (10_000, 2_000), strict=True):
            assert len(split) == n
            assert split.images.shape == (n, 1, 28, 28)
            assert split.images.dtype == torch.uint8
            assert split.labels.shape == (n,)
            assert split.labels.dtype == torch.int64
            assert split.labels.bincount().tolist() == [n // 10] * 10
            assert split.class_names == FASHION_CLASSES

    def test_class_names_are_those_of_torchvision(self):
        assert list(FASHION_CLASSES) == datasets.FashionMNIST.classes

    def test_file_is_the_one_that_its_maker_made(self):
        assert hashlib.sha256(MINI_FILE.read_bytes()).hexdigest() == (
            "6341d32070230eb9eb4d36a858421e2625b9d3431f364eca58bd958449e0cc0e"
        )

    def test_needs_no_root(self, tmp_path):
        load("fashion_mnist_mini", tmp_path / "nowhere")
        assert not any(tmp_path.iterdir())

    def test_missing_file_names_the_fix(self, monkeypatch, tmp_path):
        monkeypatch.setattr(loading, "MINI_FILE", tmp_path / "gone.npz")
        with pytest.raises(FileNotFoundError, match=r"gone\.npz.*Fix:"):
            load("fashion_mnist_mini")

    @pytest.mark.parametrize(
        "content", [b"", b"PK\x03\x04cut", b"<html>", b"version https://git-lfs"]
    )
    def test_a_damaged_file_is_named(self, monkeypatch, tmp_path, content):
        monkeypatch.setattr(loading, "MINI_FILE", tmp_path / "mini.npz")
        (tmp_path / "mini.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"mini\.npz is damaged.*Fix: .git checkout") as error:
            load("fashion_mnist_mini")
        assert "\n" not in str(error.value)


PER_CLASS = {"train": 3, "test": 2}


def colour(part, label, index):
    return (10 * label, 40 * index, 200 if part == "test" else 100)


@pytest.fixture
def cifar_root(tmp_path):
    """A CIFAR-10 image folder of plain-coloured pictures."""
    for part, count in PER_CLASS.items():
        for label, name in enumerate(CIFAR10_CLASSES):
            folder = tmp_path / "cifar10" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                picture = Image.new("RGB", (32, 32), colour(part, label, index))
                # Rows and columns must not be swapped on the way.
                picture.putpixel((5, 0), (255, 255, 255))
                picture.save(folder / f"{index:04d}.png")
    return tmp_path


@pytest.fixture
def offline(monkeypatch):
    def fail(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", fail)


def forbid_decoding(monkeypatch):
    def fail(*_):
        raise AssertionError("an image was decoded although the cache is there")

    monkeypatch.setattr(image_folder, "_read_image", fail)


class TestCifar10Folder:
    def test_values_labels_and_names(self, cifar_root):
        for split, part in zip(load("cifar10", cifar_root), PER_CLASS, strict=True):
            count = PER_CLASS[part]
            assert split.images.shape == (10 * count, 3, 32, 32)
            assert split.images.dtype == torch.uint8
            assert split.labels.tolist() == [c for c in range(10) for _ in range(count)]
            assert split.class_names == CIFAR10_CLASSES
            expected = [colour(part, c, i) for c in range(10) for i in range(count)]
            assert split.images[:, :, 31, 31].tolist() == [list(rgb) for rgb in expected]
            assert (split.images[:, :, 0, 5] == 255).all()

    def test_statistics_are_the_training_images(self, cifar_root):
        train, test = load("cifar10", cifar_root)
        pixels = train.images.double() / 255
        assert train.mean == test.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-5)
        assert train.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), rel=1e-5)

    def test_second_load_reads_the_cache_only(self, cifar_root, monkeypatch):
        first = load("cifar10", str(cifar_root))
        forbid_decoding(monkeypatch)
        for before, after in zip(first, load("cifar10", cifar_root), strict=True):
            assert torch.equal(before.images, after.images)
            assert torch.equal(before.labels, after.labels)
            assert (before.mean, before.std) == (after.mean, after.std)

    def test_a_changed_image_renews_the_cache(self, cifar_root):
        load("cifar10", cifar_root)
        Image.new("RGB", (32, 32), (1, 2, 3)).save(cifar_root / "cifar10/test/ship/0001.png")
        test = load("cifar10", cifar_root)[1]
        assert test.images[17, :, 9, 9].tolist() == [1, 2, 3]

    def test_images_that_come_during_the_reading_are_read_next_time(self, cifar_root, monkeypatch):
        folder, real = cifar_root / "cifar10/test/ship", loading._read_cifar10_folder

        def read(source):
            splits = real(source)
            Image.new("RGB", (32, 32), (1, 2, 3)).save(folder / "late.png")
            return splits

        monkeypatch.setattr(loading, "_read_cifar10_folder", read)
        assert len(load("cifar10", cifar_root)[1]) == 20
        monkeypatch.undo()
        assert len(load("cifar10", cifar_root)[1]) == 21

    def test_a_changed_image_behind_a_link_renews_the_cache(self, cifar_root):
        test = cifar_root / "cifar10" / "test"
        test.rename(cifar_root / "elsewhere")
        test.symlink_to(cifar_root / "elsewhere")
        (test / "ship" / ".#lock").symlink_to("nowhere")
        load("cifar10", cifar_root)
        Image.new("RGB", (32, 32), (1, 2, 3)).save(test / "ship/0001.png")
        assert load("cifar10", cifar_root)[1].images[17, :, 9, 9].tolist() == [1, 2, 3]

    def test_an_image_moved_to_another_class_renews_the_cache(self, cifar_root):
        load("cifar10", cifar_root)
        folder = cifar_root / "cifar10" / "train"
        (folder / "cat" / "0002.png").rename(folder / "dog" / "moved.png")
        assert load("cifar10", cifar_root)[0].labels.bincount().tolist() == [
            3, 3, 3, 2, 3, 4, 3, 3, 3, 3,
        ]  # fmt: skip

    @pytest.mark.parametrize("content", [b"", b"no cache", b"PK\x03\x04 half a file"])
    def test_a_damaged_cache_is_ignored_and_replaced(self, cifar_root, content, monkeypatch):
        expected = load("cifar10", cifar_root)[0].images
        (cache,) = cifar_root.glob("*.pt")
        cache.write_bytes(content)
        assert torch.equal(load("cifar10", cifar_root)[0].images, expected)
        forbid_decoding(monkeypatch)
        assert torch.equal(load("cifar10", cifar_root)[0].images, expected)

    def test_a_root_that_cannot_be_written_still_loads(self, cifar_root, monkeypatch):
        def refuse(*_, **__):
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(torch, "save", refuse)
        assert len(load("cifar10", cifar_root)[0]) == 30
        assert [path.name for path in cifar_root.iterdir()] == ["cifar10"]


class TestCacheWithoutImages:
    def test_is_enough(self, cifar_root, offline):
        expected = load("cifar10", cifar_root)[0]
        shutil.rmtree(cifar_root / "cifar10")
        again = load("cifar10", cifar_root)[0]
        assert torch.equal(again.images, expected.images)
        assert again.class_names == CIFAR10_CLASSES

    def test_images_that_come_back_changed_are_read(self, cifar_root):
        load("cifar10", cifar_root)
        (cifar_root / "cifar10").rename(cifar_root / "away")
        load("cifar10", cifar_root)
        (cifar_root / "away").rename(cifar_root / "cifar10")
        Image.new("RGB", (32, 32), (1, 2, 3)).save(cifar_root / "cifar10/test/ship/0001.png")
        assert load("cifar10", cifar_root)[1].images[17, :, 9, 9].tolist() == [1, 2, 3]

    def test_hidden_files_beside_the_images_leave_it_valid(self, cifar_root, monkeypatch):
        load("cifar10", cifar_root)
        (cifar_root / "cifar10/train/cat/.DS_Store").write_bytes(b"x")
        forbid_decoding(monkeypatch)
        load("cifar10", cifar_root)

    @pytest.mark.parametrize("content", [b"", b"half a file"])
    def test_a_damaged_one_is_no_data(self, tmp_path, offline, content):
        (tmp_path / "cifar10.cache.pt").write_bytes(content)
        with pytest.raises(ConnectionError, match="Fix:"):
            load("cifar10", tmp_path)


def write_batches(folder):
    """Write CIFAR-10 as its authors give it away, with two images a file."""
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        content = {"data": np.full((2, 3072), 7, np.uint8), "labels": [3, 8]}
        (folder / name).write_bytes(pickle.dumps(content))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CIFAR10_CLASSES)}))


class TestWhereCifar10MayLie:
    @pytest.mark.parametrize("place", [".", "cifar10"])
    def test_the_official_files_in_either_place(self, tmp_path, monkeypatch, offline, place):
        (tmp_path / "cifar10").mkdir()  # and an empty folder is no image folder
        write_batches(tmp_path / place / "cifar-10-batches-py")
        monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
        monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
        train, test = load("cifar10", tmp_path)
        assert (len(train), len(test)) == (10, 2)
        assert train.labels.tolist() == [3, 8] * 5

    def test_an_empty_folder_is_downloaded_into_the_root(self, tmp_path, offline):
        (tmp_path / "cifar10").mkdir()
        with pytest.raises(ConnectionError, match=r"could not be downloaded.*Fix:"):
            load("cifar10", tmp_path)


def expect_error(kind, root, *fragments):
    with pytest.raises(kind, match="Fix:") as error:
        load("cifar10", root)
    for fragment in fragments:
        assert str(fragment) in str(error.value)
    assert not list(root.glob("*.pt"))  # nothing wrong is cached


class TestErrorsNameTheFix:
    @pytest.mark.parametrize("name", ["CIFAR-10", "imagenet", ""])
    def test_unknown_name(self, name):
        with pytest.raises(ValueError, match="Fix:") as error:
            load(name)
        for fragment in (name, "'fashion_mnist_mini'", "'fashion_mnist'", "'cifar10'"):
            assert fragment in str(error.value)

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_missing_part(self, cifar_root, part):
        (cifar_root / "cifar10" / part).rename(cifar_root / "away")
        expect_error(FileNotFoundError, cifar_root, cifar_root / "cifar10" / part)

    def test_unknown_class(self, cifar_root):
        folder = cifar_root / "cifar10" / "train"
        (folder / "truck").rename(folder / "lorry")
        expect_error(ValueError, cifar_root, folder, "['lorry', 'truck']")

    def test_all_images_of_a_wrong_size(self, cifar_root):
        for path in cifar_root.rglob("*.png"):
            Image.new("RGB", (28, 28)).save(path)
        expect_error(ValueError, cifar_root, "28x28", "32x32")

    @pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
    def test_offline_download(self, tmp_path, offline, name):
        with pytest.raises(ConnectionError, match="Fix:") as error:
            load(name, tmp_path)
        for fragment in (repr(name), str(tmp_path), "fashion_mnist_mini"):
            assert fragment in str(error.value)
        assert "\n" not in str(error.value)
        assert ("cifar10/{train,test}" in str(error.value)) == (name == "cifar10")
        assert not list(tmp_path.glob("*.pt"))


class TestTorchvisionFormat:
    def test_cifar10(self, tmp_path, monkeypatch):
        class Stub:
            def __init__(self, root, train, download):
                assert (root, download) == (str(tmp_path), True)
                n = 4 if train else 2
                self.data = np.arange(n * 32 * 32 * 3).reshape(n, 32, 32, 3).astype(np.uint8)
                self.targets = list(range(n))

        monkeypatch.setattr(datasets, "CIFAR10", Stub)
        train, test = load("cifar10", tmp_path)
        assert train.images.shape == (4, 3, 32, 32)
        assert train.images[1, 2, 3, 4] == (((1 * 32 + 3) * 32 + 4) * 3 + 2) % 256
        assert train.labels.dtype == torch.int64
        assert train.labels.tolist() == [0, 1, 2, 3]
        assert len(test) == 2
        assert test.class_names == CIFAR10_CLASSES

    def test_fashion_mnist(self, tmp_path, monkeypatch):
        class Stub:
            def __init__(self, root, train, download):
                n = 4 if train else 2
                self.data = torch.arange(n * 28 * 28).view(n, 28, 28).to(torch.uint8)
                self.targets = torch.arange(n)

        monkeypatch.setattr(datasets, "FashionMNIST", Stub)
        train, test = load("fashion_mnist", tmp_path)
        assert train.images.shape == (4, 1, 28, 28)
        assert train.images[1, 0, 2, 3] == (28 * 28 + 2 * 28 + 3) % 256
        assert test.labels.tolist() == [0, 1]
        assert train.class_names == FASHION_CLASSES

    def test_home_folder_is_understood(self, cifar_root, monkeypatch):
        monkeypatch.setenv("HOME", str(cifar_root))
        monkeypatch.setenv("USERPROFILE", str(cifar_root))
        assert len(load("cifar10", "~")[0]) == 30
