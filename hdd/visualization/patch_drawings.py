"""Drawings of how an image becomes a table of patches: axes, cuts, windows and stem filters."""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional

from hdd.arguments import check_image_size, check_shape, checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import EMPTY, arrow, paper
from hdd.visualization.patches import show_image
from hdd.visualization.style import ACCENT, CHANNEL, OTHER, STEM, TOKEN

# Which patch: the blues of the tokens; which pixel of it: the oranges of the channels.
AXES = {"h": TOKEN, "w": "#56B4E9", "p_1": CHANNEL, "p_2": "#E69F00"}
TINTS = ["#D5EBE3", "#F2DCEB", "#FAEFC4", "#E3E3E3"]  # one for each of four patches
BAR, SIZE = 0.74, 10.5


# -------------------------------------------------------------------------- reshape and permute
@checked
def plot_cutting(image: Tensor, patch: int) -> Figure:
    """Draw how reshape and permute turn a small image (H, W) of four patches into their table."""
    check_shape("(H, W)", image=image)
    height, width = check_image_size(image.shape, patch)
    h, w = height // patch, width // patch
    sizes = {"h": h, "p_1": patch, "w": w, "p_2": patch}
    owner = torch.arange(h * w).view(h, w).repeat_interleave(patch, 0).repeat_interleave(patch, 1)
    before, after = (image, owner), (_rows(image, patch), _rows(owner, patch))
    figure, axes = plt.subplots(figsize=(9, 6.15))
    tables = [(before, 2.3, ["h", "p_1"], ["w", "p_2"], "图像 | image")]
    tables += [(after, 11, ["h", "w"], ["p_1", "p_2"], "表 | table")]
    for numbers, left, down, across, name in tables:
        _numbers(axes, *numbers, left, 2.6)
        _ruler(axes, left, 2.6, {one: sizes[one] for one in down}, down=True)
        _ruler(axes, left, 2.6, {one: sizes[one] for one in across})
        axes.text(left + 2, 0.35, name, ha="center", va="center", fontsize=SIZE + 1.5)
    _arrow(axes, (7.3, 4.6), (9.1, 4.6), "三步 | 3 steps")
    steps = [(before, ["h", "p_1", "w", "p_2"], 11.6, _RESHAPE)]
    steps += [(after, ["h", "w", "p_1", "p_2"], 17.4, _PERMUTE)]
    for numbers, order, top, title in steps:
        _numbers(axes, *(values.reshape(1, -1) for values in numbers), 0, top)
        _ruler(axes, 0, top, {one: sizes[one] for one in order})
        axes.text(0, top - 4 * BAR - 0.5, title, va="center", fontsize=SIZE + 1.5)
    axes.set(xlim=(-0.2, image.numel() + 0.9), ylim=(18.6, -0.2))
    axes.axis("off")
    return figure


_RESHAPE = "1. reshape：次序不变 | 1. reshape: the order stays"
_PERMUTE = (
    "2. permute：$w$ 移到 $p_1$ 前面；3. reshape：每四个数一行"
    " | 2. permute: $w$ moves before $p_1$;  3. reshape: four numbers per row"
)


def _rows(image: Tensor, patch: int) -> Tensor:
    """Return the patches of (H, W) as rows: (S, patch * patch)."""
    split = image.unflatten(0, (-1, patch)).unflatten(2, (-1, patch))  # (h, p1, w, p2)
    return split.transpose(1, 2).reshape(-1, patch * patch)


def _numbers(axes, values: Tensor, owners: Tensor, left: float, top: float) -> None:
    draw_table(axes, values, left, top, lambda i, j: TINTS[int(owners[i, j])])


def _ruler(axes, left: float, top: float, sizes: Mapping[str, int], down: bool = False) -> None:
    """Write the values of nested axes beside unit squares that begin at (left, top).

    The outermost axis stands farthest out; the names stand behind the last square.
    """
    count = span = prod(sizes.values())
    for level, (name, size) in enumerate(sizes.items()):
        span, depth = span // size, (len(sizes) - level) * BAR
        for k in range(count // span):
            strength = 0.2 + 0.5 * (k % size) / max(1, size - 1)
            corner, extent = (left + k * span, top - depth), (span, BAR)
            if down:
                corner, extent = (left - depth, top + k * span), (BAR, span)
            color = to_rgba(AXES[name], strength)
            axes.add_patch(Rectangle(corner, *extent, fc=color, ec="white", lw=1.5))
            middle = [start + length / 2 for start, length in zip(corner, extent, strict=True)]
            axes.text(*middle, str(k % size), ha="center", va="center", fontsize=SIZE)
        end = (left - depth + BAR / 2, top + count + 0.5)
        end = end if down else (left + count + 0.45, top - depth + BAR / 2)
        text = {"color": AXES[name], "fontsize": SIZE + 2, "ha": "center", "va": "center"}
        axes.text(*end, f"${name}$", **text)


def _arrow(axes, start, end, text: str = "") -> None:
    arrow(axes, start, end, OTHER, head=22, width=2.5)
    middle = (start[0] + end[0]) / 2
    axes.text(middle, start[1] - 0.7, text, ha="center", va="center", fontsize=SIZE + 1.5)


# ------------------------------------------------------------------------------- a real image
@checked
def plot_table(image: Tensor, patches: Tensor, chosen: int) -> Figure:
    """Draw an image (C, H, W), its patches (S, C, P, P), and their table (S, C·P·P).

    The patch `chosen` and its row of the table are framed; lines part the pixel rows in it.
    """
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.5), width_ratios=[1, 1.25, 1.5])
    patch, (_, height, width) = patches.shape[-1], image.shape
    whole, apart, table = panels
    show_image(whole, image)
    for edge in range(0, width + 1, patch):
        whole.axvline(edge - 0.5, color=STEM, linewidth=1.2)
    for edge in range(0, height + 1, patch):
        whole.axhline(edge - 0.5, color=STEM, linewidth=1.2)
    row, column = divmod(chosen, width // patch)
    _frame(whole, column * patch, row * patch, patch, patch)
    whole.set_title(f"图像：{height} × {width} 个像素 | image: {height} × {width} pixels")
    _draw_apart(apart, patches, width // patch, chosen)
    apart.set_title(f"{len(patches)} 个图像块 | {len(patches)} patches")
    rows = patches.flatten(1)
    table.imshow(rows, cmap="gray", aspect="auto")
    _frame(table, 0, chosen, rows.shape[1], 1)
    cuts = [edge - 0.5 for edge in range(patch, rows.shape[1], patch)]  # between pixel rows
    table.vlines(cuts, chosen - 0.5, chosen + 0.5, color=ACCENT, linewidth=1.5)
    table.set(yticks=range(0, len(rows), max(1, len(rows) // 16)), xticks=[0, rows.shape[1] - 1])
    table.set(xlabel="图像块内的次序 | position within the patch", ylabel="图像块 | patch")
    table.set_title(f"表：{tuple(rows.shape)} | table: {tuple(rows.shape)}")
    return figure


def _frame(axes, left: float, top: float, width: float, height: float) -> None:
    corner = (left - 0.5, top - 0.5)
    frame = Rectangle(corner, width, height, fill=False, ec=ACCENT, lw=3, zorder=5, clip_on=False)
    axes.add_patch(frame)


def _draw_apart(axes, patches: Tensor, columns: int, chosen: int) -> None:
    """Draw patches (S, C, P, P) with gaps, numbered in reading order, the chosen one framed."""
    (count, channels, patch, _), rows = patches.shape, -(-len(patches) // columns)
    step = patch + -(-patch * 2 // 5)  # a gap wide enough for the number
    canvas = torch.full((channels, rows * step, columns * step), 255, dtype=patches.dtype)
    for s in range(count):
        i, j = s // columns * step + step - patch, s % columns * step
        canvas[:, i : i + patch, j : j + patch] = patches[s]
        if count <= 16 or s == chosen:
            name = {"ha": "center", "va": "center", "color": ACCENT if s == chosen else OTHER}
            axes.text(j + patch / 2 - 0.5, i - (step - patch) / 2 - 0.5, str(s), **name)
        if s == chosen:
            _frame(axes, j, i, patch, patch)
    show_image(axes, canvas)


@checked
def plot_two_cuts(image: Tensor, right: Tensor, wrong: Tensor, chosen: int) -> Figure:
    """Draw where the pixels of one row come from, and all rows folded into squares, in two ways.

    Args:
        image: (C, H, W).
        right: for each patch the places of its pixels in the flattened image, (S, C·P·P).
        wrong: the same for rows made by reshape alone.
        chosen: the row whose pixels are coloured.
    """
    channels, height, width = image.shape
    patch = int((right.shape[1] / channels) ** 0.5)
    figure, panels = plt.subplots(2, 2, figsize=(6.7, 6.2), width_ratios=[1, 1.1])
    names = ["正确的切法 | cut properly", "只用 reshape | reshape alone"]
    for name, places, (origin, apart) in zip(names, [right, wrong], panels, strict=True):
        marked = torch.zeros(height * width, dtype=torch.bool)
        marked[places[chosen] % (height * width)] = True
        grey = image.float().mean(0) / 255  # (H, W)
        ink, mask = torch.tensor(to_rgba(ACCENT)[:3])[:, None, None], marked.view(height, width)
        show_image(origin, torch.where(mask, 0.3 * grey + 0.7 * ink, grey.expand(3, -1, -1)))
        origin.set_title(f"第 {chosen} 行取自这些像素 | pixels of row {chosen}")
        zh, en = name.split(" | ")
        origin.set_ylabel(f"{zh} | {en}", fontsize=12.5, labelpad=8)
        pieces = image.flatten()[places].view(-1, channels, patch, patch)
        _draw_apart(apart, pieces, width // patch, chosen)
        apart.set_title("每一行折成方形 | each row as a square")
    return figure


# ------------------------------------------------------------------------------------- the stem
@checked
def plot_windows(side: int, kernels: Mapping[int, int]) -> Figure:
    """Draw the windows of convolutions on a map (side, side): {kernel size: stride}."""
    figure, panels = plt.subplots(1, len(kernels), figsize=(7.4, 3.9), squeeze=False)
    for axes, (size, stride) in zip(panels[0], kernels.items(), strict=True):
        for i in range(side * side):
            axes.add_patch(Rectangle(divmod(i, side), 1, 1, fc=EMPTY, ec="white"))
        starts = range(0, side - size + 1, stride)
        for x, color in zip(starts, [STEM, ACCENT], strict=False):
            look = {"fc": to_rgba(color, 0.4), "ec": color, "lw": 3, "zorder": 2}
            axes.add_patch(Rectangle((x, 0), size, size, **look))
        rest = [(x, y) for y in starts for x in starts if y or x >= 2 * stride]
        for corner in rest if stride > 1 else []:  # else they would hide each other
            look = {"fc": to_rgba(OTHER, 0.1), "ec": OTHER, "lw": 2, "zorder": 1.5}
            axes.add_patch(Rectangle(corner, size, size, **look))
        paper(axes, (-0.1, side + 0.1), (-0.1, side + 0.1))
        count, apart = len(starts) ** 2, stride >= size
        zh, en = ("不重叠", "separate") if apart else ("重叠", "overlapping")
        axes.set_title(
            f"{size} × {size} 的核，步长 {stride}：\n{count} 个{zh}的窗口"
            f" | {size} × {size} kernel, stride {stride}:\n{count} {en} windows"
        )
    return figure


@checked
def plot_filters(before: Tensor, after: Tensor, channels: Sequence[int]) -> Figure:
    """Draw stem filters (N, 3, P, P) before and after training, and the means of 4 x 4 weights.

    Each has its own scale. P is a multiple of 4.
    `channels` are the N channels of the tokens that they compute, written above them.
    """
    figure, panels = plt.subplots(3, len(channels), figsize=(8.2, 6.4), squeeze=False)
    names = ["训练前 | before training", "训练后 | after training"]
    names.append("训练后，4 × 4 平均 | after, 4 × 4 means")
    rows = [before, after, functional.avg_pool2d(after, 4)]
    for filters, row, name in zip(rows, panels, names, strict=True):
        for axes, one in zip(row, filters, strict=True):
            show_image(axes, 0.5 + 0.5 * one / one.abs().max())
        row[0].set_ylabel(name, fontsize=12)
    for axes, channel in zip(panels[0], channels, strict=True):
        axes.set_title(f"通道 {channel} | channel {channel}")
    return figure
