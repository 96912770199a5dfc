"""6 x 6 Sudoku: every grid there is, puzzles with one solution, and solvers that check them.

Boxes have two rows and three columns. Digits are 0 ... 5; an empty cell of a puzzle is EMPTY = 6.
Cells are numbered row by row, so a puzzle or a grid is a tensor (36,), and N of them (N, 36).

There are 28,200,960 grids, that is 39,168 whose first row is 0 1 2 3 4 5, times 720 relabellings.
Permuting bands, stacks, rows in a band and columns in a stack (3,456 ways) and relabelling digits
turns a puzzle into another one: with these, only 49 grids are essentially different. Training,
validation and test share no such class, so no test puzzle is a training puzzle in disguise.
"""

import itertools
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from hdd.arguments import check_choice, check_positive_integers, check_shape, checked, shown

SIDE, BOX = 6, (2, 3)
CELLS, EMPTY = SIDE * SIDE, SIDE
LEVELS, STUCK = ("naked singles", "hidden singles", "guess"), -1
SPLITS = ("training", "validation", "test")


class Puzzles(NamedTuple):
    """N puzzles and the one solution of each, (N, 36) uint8 both."""

    givens: Tensor
    solutions: Tensor

    def __getitem__(self, index: slice | Tensor) -> "Puzzles":
        """Return some of the puzzles: an index selects puzzles, not fields."""
        givens, solutions = self
        return Puzzles(givens[index], solutions[index])


@cache
def units() -> Tensor:
    """Return the 6 rows, 6 columns and 6 boxes as masks of cells (18, 36), float32."""
    row, column = (torch.arange(CELLS) // SIDE, torch.arange(CELLS) % SIDE)
    box = row // BOX[0] * (SIDE // BOX[1]) + column // BOX[1]
    number = torch.arange(SIDE)[:, None]
    return torch.cat([row == number, column == number, box == number]).float()


@cache
def peers() -> Tensor:
    """Return which cells may not hold the same digit (36, 36), bool: 12 for each cell."""
    together = units().T @ units() > 0  # (36, 36)
    return together & ~torch.eye(CELLS, dtype=torch.bool)


@cache
def grids() -> Tensor:
    """Return all 39,168 solved grids whose first row is 0 1 2 3 4 5: (39168, 36) uint8."""
    rows = torch.tensor(list(itertools.permutations(range(SIDE))))  # (720, 6)
    # Bit 6 * column + digit: what a row holds, and what it forbids in the row below in its boxes.
    column, digit = torch.arange(SIDE), rows
    holds = (1 << (SIDE * column + digit)).sum(dim=1)  # (720,)
    beside = column[:, None] // BOX[1] == column // BOX[1]  # (6, 6): columns of one box
    spread = 1 << (SIDE * column[:, None] + digit[:, None])  # (720, 6, 6)
    forbids = (spread * beside).sum(dim=(1, 2))  # (720,)
    chosen = torch.zeros(1, 1, dtype=torch.long)  # (N, rows so far), as numbers of `rows`
    for r in range(1, SIDE):
        taken = holds[chosen].sum(dim=1)  # digits in a column differ, so the sum is the union
        if r % BOX[0]:
            taken = taken | forbids[chosen[:, -1]]
        parts = []
        for some, mask in zip(chosen.split(2048), taken.split(2048), strict=True):
            grid, row = (mask[:, None] & holds == 0).nonzero(as_tuple=True)
            parts.append(torch.cat([some[grid], row[:, None]], dim=1))
        chosen = torch.cat(parts)
    return rows[chosen].flatten(1).to(torch.uint8)


@cache
def symmetries() -> Tensor:
    """Return the 3,456 permutations of cells that map units to units: (3456, 36).

    Row k of a grid `grid[symmetries()[k]]` is a valid grid again.
    """
    rows, columns = _line_orders(BOX[0]), _line_orders(BOX[1])  # (48, 6), (72, 6)
    cells = rows[:, None, :, None] * SIDE + columns[None, :, None, :]  # (48, 72, 6, 6)
    return cells.reshape(-1, CELLS)


def _line_orders(width: int) -> Tensor:
    """Return the orders of six lines that keep groups of `width` lines together."""
    groups = [range(start, start + width) for start in range(0, SIDE, width)]
    orders = []
    for arrangement in itertools.permutations(groups):
        inside = itertools.product(*(itertools.permutations(group) for group in arrangement))
        orders += [list(itertools.chain(*order)) for order in inside]
    return torch.tensor(orders)


@cache
def classes() -> Tensor:
    """Return the class, 0 ... 48, of each of `grids()`: (39168,).

    Two grids share a class if a symmetry and a relabelling of digits turn one into the other.
    """
    everything = grids()
    keys, order = _keys(everything).sort()
    label = torch.arange(len(everything))
    # Ten swaps generate all symmetries; a class is what they connect.
    images = [
        order[torch.searchsorted(keys, _keys(_first_row_in_order(everything[:, swap])))]
        for swap in _swaps()
    ]
    while True:
        lower = torch.stack([label, *(label[image] for image in images)]).amin(dim=0)
        lower = lower[lower]
        if torch.equal(lower, label):
            return label.unique(return_inverse=True)[1]
        label = lower


def _swaps() -> list[Tensor]:
    """Return ten permutations of cells that generate all symmetries."""
    cells = torch.arange(CELLS).view(SIDE, SIDE)
    row_pairs = [(0, 1), (2, 3), (4, 5)]
    column_pairs = [(0, 1), (1, 2), (3, 4), (4, 5)]
    orders = [_swapped(a, b) for a, b in row_pairs]
    orders += [[2, 3, 0, 1, 4, 5], [0, 1, 4, 5, 2, 3]]  # bands
    swaps = [cells[order].flatten() for order in orders]
    orders = [_swapped(a, b) for a, b in column_pairs] + [[3, 4, 5, 0, 1, 2]]  # and stacks
    return swaps + [cells[:, order].flatten() for order in orders]


def _swapped(a: int, b: int) -> list[int]:
    return [{a: b, b: a}.get(line, line) for line in range(SIDE)]


def _first_row_in_order(some: Tensor) -> Tensor:
    """Relabel the digits of each grid (N, 36) so that its first row is 0 1 2 3 4 5."""
    labels = some[:, :SIDE].long().argsort(dim=1)  # (N, 6): the new name of each digit
    return labels.gather(1, some.long()).to(torch.uint8)


def _keys(some: Tensor) -> Tensor:
    """Return a number for each grid (N, 36) that has its first row in order."""
    powers = SIDE ** torch.arange(4 * SIDE)  # rows 2 to 5 determine the last; 6^24 < 2^63
    return (some[:, SIDE : 5 * SIDE].long() * powers).sum(dim=1)


@checked
def split_of_classes(split: str) -> Tensor:
    """Return which of the 49 classes belong to "training", "validation" or "test": (n,).

    Every fifth class, from the largest on, is for test, and the class after it for validation.

    Raises:
        ValueError: another name.
    """
    check_choice(SPLITS, split=split)
    largest_first = classes().bincount().argsort(descending=True, stable=True)
    turn = torch.arange(len(largest_first)) % 5
    chosen = {"training": (turn != 1) & (turn != 2), "validation": turn == 2, "test": turn == 1}
    return largest_first[chosen[split]]


@checked
def generate(
    count: int, split: str, *, givens: tuple[int, ...] = (13, 14), seed: int = 0
) -> Puzzles:
    """Return `count` puzzles, each with exactly one solution.

    A random grid of the split loses its cells in random order, each one unless the puzzle would
    then have a second solution, until as many are left as wanted.

    Args:
        count: of puzzles.
        split: see `split_of_classes`.
        givens: the numbers of cells that may be given; each is asked for equally often.
        seed: of the grids and of what is taken away.

    Raises:
        ValueError: an unknown split, a count below 1, or givens outside 10 ... 36.
    """
    check_positive_integers(count=count)
    if not givens or not all(10 <= number <= CELLS for number in givens):
        raise ValueError(
            f"givens={givens} must be one or more numbers from 10 to {CELLS} givens (with "
            "fewer, hardly any puzzle has one solution only). Fix: givens=(13,)."
        )
    generator = torch.Generator().manual_seed(seed)
    pool = grids()[torch.isin(classes(), split_of_classes(split))]
    found, missing = [], count
    while missing > 0:
        grid = pool[torch.randint(len(pool), (missing + 8,), generator=generator)]
        grid = _rename(grid, _new_names(len(grid), generator))
        wanted = torch.tensor(givens)[torch.randint(len(givens), (len(grid),), generator=generator)]
        puzzles = _dig(grid, wanted, generator)
        done = (puzzles != EMPTY).sum(dim=1) == wanted  # the others can lose no further cell
        found.append(Puzzles(puzzles, grid)[done])
        missing -= int(done.sum())
    return Puzzles(*(torch.cat(field)[:count] for field in zip(*found, strict=True)))


def _new_names(count: int, generator: torch.Generator) -> Tensor:
    """Return `count` random orders of the digits (count, 6)."""
    return torch.rand(count, SIDE, generator=generator).argsort(dim=1)


def _rename(some: Tensor, names: Tensor) -> Tensor:
    """Return puzzles (N, 36) with each digit d as `names[:, d]`; EMPTY stays."""
    names = torch.cat([names, torch.full((len(names), 1), EMPTY)], dim=1).to(torch.uint8)
    return names.gather(1, some.long())


@checked
def disguised(puzzles: Puzzles, generator: torch.Generator) -> Puzzles:
    """Return the puzzles with digits renamed and lines permuted at random, each in its own way.

    A symmetry keeps the number of solutions, so this makes 2,488,320 puzzles of one, of its class.
    """
    count = len(puzzles.givens)
    symmetry = symmetries()[torch.randint(len(symmetries()), (count,), generator=generator)]
    names = _new_names(count, generator)
    return Puzzles(*(_rename(field.gather(1, symmetry), names) for field in puzzles))


def _dig(grid: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    puzzles = grid.clone()
    order = torch.rand(grid.shape, generator=generator).argsort(dim=1)  # (N, 36)
    for cell in order.T:
        rich = ((puzzles != EMPTY).sum(dim=1) > wanted).nonzero().flatten()
        poorer = puzzles[rich]
        poorer.scatter_(1, cell[rich, None], EMPTY)
        unique = rounds_of_singles(poorer) != STUCK
        for i in (~unique).nonzero().flatten().tolist():
            unique[i] = count_solutions(poorer[i]) == 1
        puzzles[rich[unique]] = poorer[unique]
    return puzzles


@checked
def candidates(puzzles: Tensor) -> Tensor:
    """Return which digits each cell may hold, seen alone: (N, 36) -> (N, 36, 6) bool."""
    check_shape("(N, 36)", puzzles=puzzles)
    one_hot = puzzles[..., None] == torch.arange(SIDE, dtype=torch.uint8)
    return one_hot | (puzzles == EMPTY)[..., None]


@checked
def eliminate(possible: Tensor, hidden: bool = True) -> Tensor:
    """Return (N, 36, 6) after one round of singles.

    Naked: what a cell holds for certain, its 12 peers do not. Hidden: a digit with one place left
    in a row, column or box stands there.
    """
    check_shape("(N, 36, 6)", possible=possible)
    certain = possible & (possible.sum(dim=2, keepdim=True) == 1)
    possible = possible & ~(peers().float() @ certain.float() > 0)
    if not hidden:
        return possible
    only_place = (units() @ possible.float() == 1).float()  # (N, 18, 6)
    forced = possible & (units().T @ only_place > 0)  # (N, 36, 6)
    return torch.where(forced.any(dim=2, keepdim=True), forced, possible)


@checked
def rounds_of_singles(puzzles: Tensor, hidden: bool = True) -> Tensor:
    """Return after how many rounds of singles each puzzle (N, 36) is solved: (N,).

    0 is a full grid; STUCK = -1 says that singles do not solve it. Those that they solve have one
    solution: each digit was the only one possible.
    """
    possible, before = candidates(puzzles), None
    rounds = torch.full((len(puzzles),), STUCK)
    for number in itertools.count():
        certain = (possible.sum(dim=2) == 1).all(dim=1)
        rounds[certain & (rounds == STUCK)] = number
        if before is not None and torch.equal(possible, before):
            break
        possible, before = eliminate(possible, hidden), possible
    # A contradiction can leave one digit a cell, too: the same one twice in a unit.
    wrong = ((units() @ possible.float()) != 1).any(dim=2).any(dim=1)
    return rounds.where(~wrong, STUCK)


@checked
def difficulty(puzzles: Tensor) -> Tensor:
    """Return each puzzle's level (N,): the index in LEVELS of what a person needs to solve it."""
    naked, hidden = (rounds_of_singles(puzzles, hidden=kind) != STUCK for kind in (False, True))
    return 2 - hidden.long() - naked.long()


@checked
def count_solutions(puzzle: Tensor, limit: int = 2) -> int:
    """Return how many solutions a puzzle (36,) has, counting no further than `limit`.

    Depth-first search, always at the cell with the fewest digits left; no other function of this
    module is used, so that it can judge their work.

    Raises:
        ValueError: not 36 numbers of 0 ... 6.
    """
    cells = puzzle.flatten().tolist()
    if puzzle.shape != (CELLS,) or not all(0 <= digit <= EMPTY for digit in cells):
        raise ValueError(
            f"puzzle={shown(puzzle)} must be {CELLS} numbers of 0 ... {EMPTY}. "
            f"Fix: row by row, {EMPTY} for an empty cell."
        )
    row, column, box = [0] * SIDE, [0] * SIDE, [0] * SIDE  # digits used, a bit each
    empty = []
    for cell, digit in enumerate(cells):
        r, c, b = _place(cell)
        if digit == EMPTY:
            empty.append((r, c, b))
        elif (row[r] | column[c] | box[b]) >> digit & 1:
            return 0  # twice in a unit
        else:
            for unit, index in ((row, r), (column, c), (box, b)):
                unit[index] |= 1 << digit
    return _search(row, column, box, empty, limit)


def _place(cell: int) -> tuple[int, int, int]:
    r, c = divmod(cell, SIDE)
    return r, c, r // 2 * 2 + c // 3


def _search(
    row: list[int], column: list[int], box: list[int], empty: list[tuple[int, int, int]], limit: int
) -> int:
    if not empty:
        return 1
    everything, fewest = (1 << SIDE) - 1, SIDE + 1
    for place in empty:
        r, c, b = place
        free = everything & ~(row[r] | column[c] | box[b])
        number = free.bit_count()
        if number < fewest:
            best, options, fewest = place, free, number
            if number < 2:
                break
    (r, c, b), found = best, 0
    rest = [place for place in empty if place is not best]
    while options and found < limit:
        bit = options & -options
        options ^= bit
        row[r], column[c], box[b] = row[r] | bit, column[c] | bit, box[b] | bit
        found += _search(row, column, box, rest, limit - found)
        row[r], column[c], box[b] = row[r] ^ bit, column[c] ^ bit, box[b] ^ bit
    return found
