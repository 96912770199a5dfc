"""Build resources/explorer.html, one page in which a trained Mixer runs: `run.py explorer`.

The page's sources are in resources/explorer/. Into the template go the style, the scripts, the
texts of both languages, a few words of the glossary, the twenty images and the weights: nothing is
left to load, so the page opens by double click and without a network. The same sources give the
same bytes.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
from PIL import Image

from hdd.command import OneLineParser, fail
from hdd.files import write_atomically
from hdd.teaching.glossary import load_glossary
from hdd.train.records import CHECKPOINTS, load_run

SOURCES = Path(__file__).parents[2] / "resources" / "explorer"
PAGE = SOURCES.with_suffix(".html")
WEIGHTS = "cifar10_patch4_60_epochs"
WORKER = ("mixer.js", "worker.js")
SCRIPTS = (
    *("mixer.js", "image.js", "draw.js", "state.js", "panels.js", "inspector.js"),
    *("pad.js", "tour.js", "main.js"),
)
# Of the course's glossary what a reader of this page alone needs, in this order.
WORDS = (
    *("patch", "token", "channel", "multilayer perceptron (MLP)", "token mixing"),
    *("channel mixing", "Mixer block", "stem", "hidden unit", "parameter", "layer normalisation"),
    *("residual connection", "GELU", "logits", "head", "accuracy", "test set", "validation set"),
    *("chance", "epoch", "Moran's I"),
)
LARGEST = 4 * 10**6  # bytes; a page that mails and projectors still take
# A slider over the training shows these: what the units of token mixing read, and write.
DRAWN = tuple(f"blocks.{b}.token_mixing.fc{n}.weight" for b in range(8) for n in (1, 2))


def encode(content: bytes) -> str:
    """Return bytes as base64 text."""
    return base64.b64encode(content).decode("ascii")


def weights() -> tuple[list, bytes]:
    """Return the manifest [[name, shape], ...] and the half-precision bytes in that order."""
    tensors = safetensors.numpy.load_file(CHECKPOINTS / f"{WEIGHTS}.safetensors")
    names = sorted(tensors)
    manifest = [[name, list(tensors[name].shape)] for name in names]
    return manifest, b"".join(tensors[name].astype("<f2").tobytes() for name in names)


def snapshots() -> tuple[list, bytes]:
    """Return what the training slider shows: a dict an epoch, and one byte a weight.

    A weight is its byte times the tensor's scale: pictures need no more than 255 steps.
    """
    epochs, content = [], b""
    accuracy = load_run(WEIGHTS)["history"]["val_accuracy"]
    for path in sorted((CHECKPOINTS / WEIGHTS).glob("epoch_*.safetensors")):
        tensors = safetensors.numpy.load_file(path)
        scales = {}
        for name in DRAWN:
            tensor = tensors[name].astype(np.float32)
            # Not 127: NumPy 1 divides by it with more digits than NumPy 2, and bytes would differ.
            scale = float(f"{np.abs(tensor).max() / np.float32(127):.6g}")
            content += np.rint(tensor / scale).clip(-127, 127).astype(np.int8).tobytes()
            scales[name] = [scale, list(tensor.shape)]
        epoch = int(path.stem.split("_")[1])
        reached = round(accuracy[epoch - 1], 4) if epoch else None
        epochs.append({"epoch": epoch, "validation": reached, "tensors": scales})
    return epochs, content


def words() -> dict[str, list]:
    """Return [word, meaning] pairs for the page, a list a language.

    Raises:
        ValueError: a word that the glossary lacks.
    """
    terms = {term.en: term for term in load_glossary()}
    if unknown := set(WORDS) - terms.keys():
        raise ValueError(f"not in the glossary: {sorted(unknown)}. Fix: its `en`, or WORDS here.")
    chosen = [terms[name] for name in WORDS]
    return {
        "zh": [[t.zh if t.zh == t.en else f"{t.zh}（{t.en}）", t.sentence_zh] for t in chosen],
        "en": [[t.en, t.sentence_en] for t in chosen],
    }


def read(name: str) -> str:
    """Return the text of a source file."""
    return (SOURCES / name).read_text(encoding="utf-8")


def embed(content: object) -> str:
    """Return JSON that may stand inside a <script>: no tag can end it early."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def build() -> bytes:
    """Return the page.

    Raises:
        ValueError: texts that differ between the languages, or a page that is too large.
    """
    manifest, weight_bytes = weights()
    epochs, snapshot_bytes = snapshots()
    texts = json.loads(read("texts.json"))
    if difference := set(texts["zh"]) ^ set(texts["en"]):
        raise ValueError(f"texts.json: {sorted(difference)} in one language only. Fix: add them.")
    data = json.loads(read("images.json")) | {"measured": json.loads(read("measured.json"))}
    data |= {"manifest": manifest, "epochs": epochs, "words": words()}
    parts = {
        "style": read("explorer.css"),
        "data": embed(data),
        "texts": embed(texts),
        "worker": "\n".join(map(read, WORKER)),
        "script": "\n".join(map(read, SCRIPTS)),
        "images": encode(np.asarray(Image.open(SOURCES / "images.png").convert("RGB")).tobytes()),
        "kernel": encode((SOURCES / "linear.wasm").read_bytes()),
        "weights": encode(weight_bytes),
        "snapshots": encode(snapshot_bytes),
    }
    page = read("template.html")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    content = page.encode("utf-8")
    if len(content) > LARGEST:
        raise ValueError(f"{len(content):,} bytes, above {LARGEST:,}. Fix: embed less.")
    return content


def main(argv: list[str] | None = None) -> int:
    """Write the page and say where it is; return 0, or 2 after a one-line error."""
    parser = OneLineParser.of("explorer", __doc__)
    parser.parse_args(argv)
    try:
        content = build()
        write_atomically(PAGE, content)
    except Exception as error:
        return fail(parser, error)
    size = f"{len(content) / 1e6:.2f} MB"
    print(f"{PAGE.relative_to(SOURCES.parents[1])}: {size}. Open it in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
