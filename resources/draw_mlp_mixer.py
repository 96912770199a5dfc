"""Draw mlp_mixer.svg in Chinese and in English: mlp_mixer.zh.png, mlp_mixer.en.png.

    python resources/draw_mlp_mixer.py chromium

Needs a Chromium or Chrome and the font Noto Sans CJK SC; readers need neither.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from hdd.command import described, run

SOURCE = Path(__file__).with_name("mlp_mixer.svg")
SIZE = (2400, 1340)
SHOWN = {"zh": ".en { display: none; }", "en": ".zh { display: none; }"}


def draw(browser: str, language: str) -> Path:
    """Write the picture in one language, with 256 colours, and return its path."""
    text = SOURCE.read_text(encoding="utf-8").replace(SHOWN["zh"], SHOWN[language])
    target = SOURCE.with_suffix(f".{language}.png")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.svg"), Path(folder, "shot.png")
        page.write_text(text, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        window = "--window-size={},{}".format(*SIZE)
        command = [browser, *options, window, f"--screenshot={shot}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB").crop((0, 0, *SIZE))
    small = picture.resize((SIZE[0] * 2 // 3, SIZE[1] * 2 // 3), Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


def main(browser: str) -> None:
    """Draw in both languages."""
    for language in SHOWN:
        print(draw(browser, language))


if __name__ == "__main__":
    command = described()
    command.add_argument("browser", help="the name or path of Chromium or Chrome")
    sys.exit(run(main, command))
