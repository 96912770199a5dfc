"""One look for all figures: a colour-blind safe palette (Okabe and Ito) and readable sizes."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib import pyplot as plt

# Machines lack Chinese fonts. In a label with a formula, Matplotlib takes all other letters from
# the first family alone: this font has Latin letters, too.
FONT = Path(__file__).parents[2] / "resources" / "fonts" / "NotoSansSC-subset.otf"

# What a colour means is the same in every notebook and in the architecture drawing.
TOKEN = "#0072B2"  # token mixing; where networks are compared: the Mixer
CHANNEL = "#D55E00"  # channel mixing; a convolutional network
STEM = "#009E73"  # patches and stem; attention and ViT
OTHER = "#666666"  # everything else, references; a flat MLP
ACCENT = "#CC79A7"
LIGHT = {STEM: "#BFE3D5", CHANNEL: "#F6CDB2", TOKEN: "#BBD9EC"}  # behind numbers
CYCLE = [TOKEN, CHANNEL, STEM, ACCENT, "#E69F00", "#56B4E9", OTHER]
SIGNED = "RdBu_r"  # zero is white; use with symmetric limits
AMOUNT = "cividis"  # zero is dark


def use_style() -> None:
    """Set Matplotlib's defaults for this series; call it once in a notebook's set-up cell."""
    if str(FONT) not in (entry.fname for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(FONT)
    mpl.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=CYCLE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "figure.dpi": 110,
            "figure.titlesize": 13,
            "figure.constrained_layout.use": True,
            "font.family": ["Noto Sans SC Subset", "DejaVu Sans"],
            "font.size": 10.5,
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )
