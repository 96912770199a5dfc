"""Make fashion_mnist_mini.npz: 1,000 training and 200 test images of each Fashion-MNIST class.

    python resources/data/make_fashion_mnist_mini.py FOLDER

FOLDER holds the four original *-ubyte.gz files; Debian's package `dataset-fashion-mnist` puts them
into /usr/share/datasets/fashion-mnist. The same seed gives the same file, byte for byte.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from hdd.command import described, run

SEED = 0
PER_CLASS = {"train": 1000, "t10k": 200}


def read_idx(path: Path) -> np.ndarray:
    """Return the array in a gzipped IDX file (its header ends with the big-endian sizes)."""
    content = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(sizes)


def main(folder: Path) -> None:
    """Draw the subset, keep the original order, write it beside this script."""
    generator = np.random.default_rng(SEED)
    arrays = {}
    for part, count in PER_CLASS.items():
        images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")  # (N, 28, 28)
        labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")  # (N,)
        drawn = [
            generator.choice(np.flatnonzero(labels == c), count, replace=False) for c in range(10)
        ]
        keep = np.sort(np.concatenate(drawn))
        name = "test" if part == "t10k" else part
        arrays |= {f"{name}_images": images[keep], f"{name}_labels": labels[keep]}
    np.savez_compressed(Path(__file__).with_name("fashion_mnist_mini.npz"), **arrays)


if __name__ == "__main__":
    command = described()
    command.add_argument("folder", metavar="FOLDER", type=Path, help="of the original files")
    sys.exit(run(main, command))
