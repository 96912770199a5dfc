"""Draw the architecture in Chinese and in English: mlp_mixer_idea.zh.png, mlp_mixer.zh.png, ….

    python resources/draw_mlp_mixer.py chromium

`mlp_mixer_idea.svg` shows the idea alone (notebook 00), `mlp_mixer.svg` every step (notebook 03);
`mlp_mixer.png`, in the README and the source document, has the idea in both languages.
Needs a Chromium or Chrome and the font Noto Sans CJK SC; readers need neither.
"""

import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from hdd.command import described, run

SOURCES = [Path(__file__).with_name(f"{name}.svg") for name in ("mlp_mixer_idea", "mlp_mixer")]
SHOWN = {"zh": ".en { display: none; }", "en": ".zh { display: none; }"}


def draw(browser: str, source: Path, language: str) -> Path:
    """Write a drawing in one language, with 256 colours, and return its path."""
    text = source.read_text(encoding="utf-8").replace(SHOWN["zh"], SHOWN[language])
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', text).groups())
    target = source.with_suffix(f".{language}.png")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "page.svg"), Path(folder, "shot.png")
        page.write_text(text, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        window = f"--window-size={width},{height}"
        command = [browser, *options, window, f"--screenshot={shot}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    picture = picture.crop((0, 0, width, height))
    small = picture.resize((width * 2 // 3, height * 2 // 3), Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


def stack(pictures: list[Path], target: Path) -> Path:
    """Write pictures of one width, one below the other, and return the path."""
    opened = [Image.open(picture).convert("RGB") for picture in pictures]
    whole = Image.new("RGB", (opened[0].width, sum(picture.height for picture in opened)))
    top = 0
    for picture in opened:
        whole.paste(picture, (0, top))
        top += picture.height
    whole.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    return target


def main(browser: str) -> None:
    """Draw everything in both languages."""
    drawn = [draw(browser, source, language) for source in SOURCES for language in SHOWN]
    both = stack(drawn[: len(SHOWN)], SOURCES[1].with_suffix(".png"))
    print(*drawn, both, sep="\n")


if __name__ == "__main__":
    command = described()
    command.add_argument("browser", help="the name or path of Chromium or Chrome")
    sys.exit(run(main, command))
