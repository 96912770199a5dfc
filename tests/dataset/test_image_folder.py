import itertools
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hdd.dataset.image_folder import load_image_folder

RED, BLUE = (200, 10, 10), (10, 10, 200)


@pytest.fixture
def folder(tmp_path):
    """Two classes of three plain pictures, 8 wide and 6 high."""
    for name, colour in {"cats": BLUE, "dogs": RED}.items():
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 6), colour).save(tmp_path / "own" / name / f"{i}.png")
    return tmp_path / "own"


def test_images_labels_classes_and_statistics(folder):
    data = load_image_folder(folder)
    assert data.images.shape == (6, 3, 6, 8)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.class_names == ("cats", "dogs")
    assert data.images[4, :, 0, 0].tolist() == list(RED)
    normal = data.normalize(data.images)
    assert normal.mean((0, 2, 3)).abs().max() < 1e-5


def test_the_readmes_lines_for_your_own_images(tmp_path, monkeypatch, capsys):
    """Run as they stand, but for the numbers of steps and images, on photographs of many sizes."""
    generator = np.random.default_rng(0)
    for part, (name, colour) in itertools.product(
        ("train", "test"), {"cats": BLUE, "dogs": RED}.items()
    ):
        folder = tmp_path / "my_images" / part / name
        folder.mkdir(parents=True)
        for i in range(8):
            noise = generator.integers(-10, 11, (70 + 4 * i, 94 - 3 * i, 3))
            Image.fromarray((noise + colour).astype(np.uint8)).save(folder / f"{i}.jpg")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    chinese, english = re.findall(r"```python\n(.*?load_image_folder.*?)```", readme, flags=re.S)
    assert chinese == english
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    exec(english.replace("steps=500, batch_size=64", "steps=15, batch_size=8"), {})
    assert capsys.readouterr().out == "100.0%\n"


def test_what_systems_leave_behind_is_passed_over(folder):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "__MACOSX" / "cats").mkdir(parents=True)
    (folder / "@eaDir").mkdir()
    for path in (".ipynb_checkpoints/0.png", "__MACOSX/cats/0.png", "cats/.hidden.png"):
        Image.new("RGB", (8, 6)).save(folder / path)
    for path in ("cats/._0.png", ".DS_Store", "cats/.DS_Store", "dogs/Thumbs.db", "dogs/notes.txt"):
        (folder / path).write_bytes(b"\0\5\26\7 not an image")
    data = load_image_folder(folder)
    assert data.class_names == ("cats", "dogs")
    assert len(data) == 6


def test_sub_folders_of_a_class_and_links_to_folders_count(folder, tmp_path):
    (tmp_path / "more").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "more" / "3.PNG")
    (folder / "cats" / "more").symlink_to(tmp_path / "more")
    assert load_image_folder(folder).labels.tolist() == [0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("target", ["cats", "."])
def test_a_link_back_into_its_own_folder_is_refused(folder, target):
    (folder / "cats" / "again").symlink_to(folder / target)
    with pytest.raises(ValueError, match=r"again is a link back into its own folder.*Fix:"):
        load_image_folder(folder)


def png(bits, colour_type, channels):
    """Return a PNG of 8 x 6 pixels, all samples 12345 or 57, made by hand."""
    sample = b"\x30\x39" if bits == 16 else b"\x39"
    rows = (b"\0" + sample * (8 * channels)) * 6
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 8, 6, bits, colour_type, 0, 0, 0),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    parts = (
        struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c))
        for name, c in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def save(path, image, **options):
    image.save(path, **options)


HALF_SEEN = Image.new("RGBA", (8, 6), (1, 2, 3, 255))
HALF_SEEN.putpixel((0, 0), (1, 2, 3, 40))
REFUSED = {
    "16-bit grey": lambda p: p.write_bytes(png(16, 0, 1)),
    "16-bit RGB": lambda p: p.write_bytes(png(16, 2, 3)),
    "16-bit RGBA": lambda p: p.write_bytes(png(16, 6, 4)),
    "10-bit PPM": lambda p: p.with_suffix(".ppm").write_bytes(b"P6 8 6 1023\n" + bytes(288)),
    "floats": lambda p: save(p.with_suffix(".tif"), Image.new("F", (8, 6))),
    "CMYK": lambda p: save(p.with_suffix(".jpg"), Image.new("CMYK", (8, 6))),
    "transparency": lambda p: save(p, HALF_SEEN),
    "a transparent palette": lambda p: save(p, Image.new("P", (8, 6)), transparency=0),
    "an animation": lambda p: save(
        p.with_suffix(".gif"),
        Image.new("L", (8, 6)),
        save_all=True,
        append_images=[Image.new("L", (8, 6), 9)],
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_8_bit_rgb_cannot_hold_is_refused(folder, kind):
    REFUSED[kind](folder / "dogs" / "odd.png")
    with pytest.raises(ValueError, match=r"odd\.\w+ (is|has|of mode) .*Fix: save it as 8-bit RGB"):
        load_image_folder(folder)


EXACT = {
    "grey": Image.new("L", (8, 6), 57),
    "palette": Image.new("RGB", (8, 6), (57, 57, 57)).quantize(4),
    "opaque": Image.new("RGBA", (8, 6), (57, 57, 57, 255)),
    "8-bit PNG": png(8, 2, 3),
}


@pytest.mark.parametrize("kind", EXACT)
def test_what_it_can_hold_is_read_exactly(folder, kind):
    path = folder / "dogs" / "odd.png"
    path.write_bytes(EXACT[kind]) if kind == "8-bit PNG" else EXACT[kind].save(path)
    assert (load_image_folder(folder).images[-1] == 57).all()


def test_a_cameras_rotation_is_applied(folder):
    turned = Image.new("RGB", (6, 8))
    turned.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter: the first pixel is the top right one
    turned.save(folder / "dogs" / "odd.png", exif=exif)
    images = load_image_folder(folder).images
    assert images.shape == (7, 3, 6, 8)
    assert images[-1, :, 0, 7].tolist() == [255, 0, 0]


def test_mixed_sizes_name_the_file_and_both_ways_out(folder):
    Image.new("RGB", (9, 6)).save(folder / "dogs" / "wide.png")
    with pytest.raises(ValueError, match=r"wide\.png is 6x9.*6x8.*Fix: resize.*fit=True"):
        load_image_folder(folder)
    assert load_image_folder(folder, (5, 5), fit=True).images.shape == (7, 3, 5, 5)
    with pytest.raises(ValueError, match=r"fit=True needs a size.*Fix: image_size"):
        load_image_folder(folder, fit=True)


def test_test_images_have_the_classes_and_statistics_of_the_training_images(folder, tmp_path):
    train = load_image_folder(folder)
    (folder / "cats").rename(tmp_path / "cats")
    (folder / "birds").mkdir()
    Image.new("RGB", (8, 6)).save(folder / "birds" / "0.png")
    with pytest.raises(ValueError, match=r"missing or unknown are \['birds', 'cats'\].*Fix:"):
        load_image_folder(folder, like=train)
    (folder / "birds").rename(folder / "cats")
    test = load_image_folder(folder, like=train)
    assert (test.mean, test.std) == (train.mean, train.std)
    assert test.labels.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere", "No image folder"), ("own/cats", "has no classes")]
)
def test_a_folder_without_classes(folder, name, words):
    with pytest.raises(FileNotFoundError, match=rf"{words}.*Fix:"):
        load_image_folder(folder.parent / name)


def test_a_class_without_images_is_named(folder):
    (folder / "birds").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images for class \['birds'\].*Fix:"):
        load_image_folder(folder)


@pytest.mark.parametrize("content", [b"", b"text", png(8, 2, 3)[:45]])
def test_a_broken_image_is_named(folder, content):
    (folder / "dogs" / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.png.*Fix: unpack or download"):
        load_image_folder(folder)


@pytest.mark.parametrize("raised", [TypeError, NotImplementedError])
def test_whatever_pillow_raises_for_a_broken_image_names_it(folder, monkeypatch, raised):
    """Its readers of TIFF and DDS raise these for some headers of nonsense."""

    def nonsense(path):
        raise raised("Missing dimensions")

    monkeypatch.setattr(Image, "open", nonsense)
    with pytest.raises(ValueError, match=r"image .*0\.png: Missing dimensions\. Fix: unpack or"):
        load_image_folder(folder)


@pytest.mark.parametrize("size", [(0, 0), (-4, 4), (4, 10**9)])
@pytest.mark.parametrize("fit", [True, False])
def test_a_size_is_at_least_a_pixel(folder, size, fit):
    with pytest.raises(ValueError, match=r"image_size=.* must be .*Fix: image_size=1 or more"):
        load_image_folder(folder, size, fit=fit)


def test_a_home_folder_of_nobody_is_named():
    with pytest.raises(ValueError, match=r"folder='~nosuchuser/x' begins with .*Fix: "):
        load_image_folder("~nosuchuser/x")


def test_parts_are_not_taken_for_classes(folder, tmp_path):
    for part in ("train", "Test"):
        shutil.copytree(folder, tmp_path / "parts" / part)
    with pytest.raises(ValueError, match=r"holds Test, train: parts.*Fix: folder=.*Test"):
        load_image_folder(tmp_path / "parts")
    (tmp_path / "parts" / "bus").mkdir()  # among vehicles, a train is one
    shutil.copy(folder / "cats" / "0.png", tmp_path / "parts" / "bus")
    assert load_image_folder(tmp_path / "parts").class_names == ("Test", "bus", "train")


@pytest.mark.parametrize("name", ["IMG_0001.HEIC", "drawing.svg", "raw.dng"])
def test_a_picture_that_pillow_cannot_open_is_not_left_out(folder, name):
    (folder / "cats" / name).write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=rf"Cannot read image .*{name}.*Fix: save it as JPEG or"):
        load_image_folder(folder)


@pytest.mark.parametrize("place", ["cats/gone.png", "birds", "cats/more"])
def test_a_link_to_nowhere_is_not_left_out(folder, place):
    (folder / place).symlink_to("nowhere")
    with pytest.raises(ValueError, match=rf"{place} is a link to nowhere.*Fix: remove it"):
        load_image_folder(folder)


def test_an_image_beside_the_classes_is_not_left_out(folder):
    Image.new("RGB", (8, 6)).save(folder / "lost.png")
    with pytest.raises(ValueError, match=r"lost\.png is in no class.*Fix: put it into"):
        load_image_folder(folder)


def test_a_picture_that_is_too_large_is_to_become_smaller(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(ValueError, match=r"Cannot read image .*Fix: make it smaller"):
        load_image_folder(folder)
