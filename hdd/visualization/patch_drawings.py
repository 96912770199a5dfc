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
from hdd.visualization.style import ACCENT, OTHER, STEM, TOKEN

# Which patch: the blues of the tokens; which pixel of it: greys, so that other colours are patches.
AXES = {"h": TOKEN, "w": "#56B4E9", "p_1": "#4D4D4D", "p_2": "#8C8C8C"}
TINTS = ["#CDEBDF", "#F5D3E8", "#FBEDB0", "#F7CFB0"]  # one for each of four patches
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
    steps += [(after, ["h", "w", "p_1", "p_2"], 17.2, _PERMUTE)]
    for numbers, order, top, title in steps:
        _numbers(axes, *(values.reshape(1, -1) for values in numbers), 0, top)
        _ruler(axes, 0, top, {one: sizes[one] for one in order})
        axes.text(0, top - 4 * BAR - 0.5, title, va="center", fontsize=SIZE + 1.5)
    _cut_apart(axes, *after, 19.9)
    axes.set(xlim=(-0.2, image.numel() + 0.9), ylim=(22, -0.2))
    axes.axis("off")
    return figure


_RESHAPE = (
    "1. reshape：次序不变，每个轴拆成两个 | 1. reshape: the order stays, each axis is split in two"
)
_PERMUTE = (
    "2. permute：$w$ 移到 $p_1$ 前面，次序改变"
    " | 2. permute: $w$ moves before $p_1$, the order changes"
)
_MERGE = (
    "3. reshape：次序不变，每四个数成为一行"
    " | 3. reshape: the order stays, every four numbers form a row"
)


def _cut_apart(axes, values: Tensor, owners: Tensor, top: float) -> None:
    """Draw the rows of the table one after the other, a gap between them, numbered below."""
    rows, length = values.shape
    gap = 0.28
    for i in range(rows):
        left = i * (length + gap)
        _numbers(axes, values[i : i + 1], owners[i : i + 1], left, top)
        below = (left + length / 2, top + 1.45)
        axes.text(*below, f"第 {i} 行 | row {i}", ha="center", va="center", fontsize=SIZE)
    axes.text(0, top - 0.55, _MERGE, va="center", fontsize=SIZE + 1.5)


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
    table.set(yticks=range(0, len(rows), max(1, len(rows) // 16)))
    table.set(xticks=range(0, rows.shape[1], patch * -(-rows.shape[1] // (12 * patch))))
    table.set(xlabel="图像块内的次序 | position within the patch", ylabel="图像块 | patch")
    for axes in (whole, apart):
        axes.set_anchor("N")
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
    figure, panels = plt.subplots(2, 2, figsize=(6.8, 6.2), width_ratios=[1, 1.1])
    names = [("正确的切法", "cut properly"), ("只用 reshape", "reshape alone")]
    for (zh, en), places, (origin, apart) in zip(names, [right, wrong], panels, strict=True):
        marked = torch.zeros(height * width, dtype=torch.bool)
        marked[places[chosen] % (height * width)] = True
        show_image(origin, tinted(image, marked.view(height, width)))
        origin.set_title(f"{zh}：第 {chosen} 行的像素 | {en}: pixels of row {chosen}")
        pieces = image.flatten()[places].view(-1, channels, patch, patch)
        _draw_apart(apart, pieces, width // patch, chosen)
        apart.set_title("每一行折成方形 | each row as a square")
    return figure


@checked
def tinted(image: Tensor, marked: Tensor) -> Tensor:
    """Return a uint8 image (C, H, W) in grey, (3, H, W), its marked (H, W) pixels in pink.

    Black becomes the full pink and white stays white, so that what is below can still be seen.
    """
    grey = (image.float().mean(0) / 255).expand(3, -1, -1)
    ink = torch.tensor(to_rgba(ACCENT)[:3])[:, None, None]
    return torch.where(marked, ink + (1 - ink) * grey, grey)


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
            f"{side} × {side} 的图像，{size} × {size} 的核，步长 {stride}：\n{count} 个{zh}的窗口"
            f" | {side} × {side} image, {size} × {size} kernel, stride {stride}:\n"
            f"{count} {en} windows"
        )
    return figure


@checked
def plot_filters(before: Tensor, after: Tensor, channels: Sequence[int]) -> Figure:
    """Draw stem filters (N, 3, P, P) before and after training, and their means of 4 x 4 weights.

    Before and after share a scale, in each column one for the weights and one for the means. P is
    a multiple of 4. `channels` are the N channels of the tokens that they compute, written above
    them; below stands what a colour means.
    """
    figure = plt.figure(figsize=(6.8, 6.25))
    above, below = figure.subfigures(2, 1, height_ratios=[10, 1])
    panels = above.subplots(4, len(channels), squeeze=False)
    means = [functional.avg_pool2d(filters, 4) for filters in (before, after)]
    names = ["训练前 | before", "训练后 | after"]
    names += [
        "训练前\n4 × 4 平均 | before,\n4 × 4 means",
        "训练后\n4 × 4 平均 | after,\n4 × 4 means",
    ]
    for pair, rows in (((before, after), panels[:2]), (means, panels[2:])):
        limits = torch.stack(list(pair)).abs().amax((0, 2, 3, 4))  # (N,)
        for filters, row in zip(pair, rows, strict=True):
            for axes, one, limit in zip(row, filters, limits, strict=True):
                show_image(axes, 0.5 + 0.5 * one / limit)
    for row, name in zip(panels, names, strict=True):
        row[0].set_ylabel(name, fontsize=11)
    for axes, channel in zip(panels[0], channels, strict=True):
        axes.set_title(f"通道 {channel} | channel {channel}")
    _sign_key(below)
    return figure


def _sign_key(figure) -> None:
    """Draw what the sign of a weight of each colour channel looks like."""
    words = ["红色的权重 | red weight", "绿色的权重 | green weight", "蓝色的权重 | blue weight"]
    for channel, (axes, name) in enumerate(zip(figure.subplots(1, 3), words, strict=True)):
        strip = torch.full((3, 1, 101), 0.5)
        strip[channel, 0] = torch.linspace(0, 1, 101)
        axes.imshow(strip.permute(1, 2, 0).numpy(), aspect="auto")
        axes.set(yticks=[], xticks=[4, 50, 96], xticklabels=["−", "0", "+"])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(name, fontsize=10.5)


@checked
def plot_sizes(image: Tensor, sizes: Sequence[int]) -> Figure:
    """Draw a square image (C, H, W) once for each patch size, with its cutting lines."""
    side = image.shape[1]
    figure, panels = plt.subplots(1, len(sizes), figsize=(9, 2.6), squeeze=False)
    for axes, patch in zip(panels[0], sizes, strict=True):
        show_image(axes, image)
        for edge in range(0, side + 1, patch):
            axes.axvline(edge - 0.5, color=STEM, linewidth=1)
            axes.axhline(edge - 0.5, color=STEM, linewidth=1)
        count = (side // patch) ** 2
        zh, en = f"P = {patch}：{count} 个词元", f"P = {patch}: {count} tokens"
        axes.set_title(f"{zh} | {en}", fontsize=11)
    return figure


@checked
def plot_unread(image: Tensor, unread: Tensor, patch: int) -> Figure:
    """Draw an image (C, H, W) and the windows of its patches; unread pixels (H, W) are pink."""
    figure, axes = plt.subplots(figsize=(4.4, 4.1))
    show_image(axes, tinted(image, unread))
    start = (image.shape[1] // patch) * patch
    for edge in range(0, start + 1, patch):
        axes.plot([edge - 0.5] * 2, [-0.5, start - 0.5], color=STEM)
        axes.plot([-0.5, start - 0.5], [edge - 0.5] * 2, color=STEM)
    share = unread.float().mean().item()
    axes.set_title(
        f"P = {patch}：{share:.1%} 的像素没有被读到"
        f" | P = {patch}: {share:.1%} of the pixels are unread"
    )
    return figure
