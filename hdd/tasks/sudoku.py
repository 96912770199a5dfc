"""6 x 6 Sudoku: every grid there is, puzzles with one solution, and solvers that check them; 9 x 9.

Boxes have two rows and three columns. Digits are 0 ... 5; an empty cell of a puzzle is EMPTY = 6.
Cells are numbered row by row, so a puzzle or a grid is a tensor (36,), and N of them (N, 36).
With side 9, boxes are 3 x 3, digits 0 ... 8, an empty cell is 9, and tensors have 81 cells;
functions of puzzles see the side by the shape. S = side * side is written for either number.

There are 28,200,960 grids, that is 39,168 whose first row is 0 1 2 3 4 5, times 720 relabellings.
Permuting bands, stacks, rows in a band and columns in a stack (3,456 ways) and relabelling digits
turns a puzzle into another one: with these, only 49 grids are essentially different. Training,
validation and test share no such class, so no test puzzle is a training puzzle in disguise.
Of 9 x 9 grids there are too many to list (6.7e21, of 5.5e9 classes): they are drawn at random, and
a number that all disguises of a grid share, `cycles`, decides to which split they belong.
"""

import itertools
import math
import random
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from hdd.arguments import (
    check_choice,
    check_positive_integers,
    check_shape,
    check_whole,
    checked,
    shown,
)

BOXES = {6: (2, 3), 9: (3, 3)}  # rows and columns of a box, by the side of the puzzle
SIDE = 6
CELLS, EMPTY = SIDE * SIDE, SIDE
LEVELS, STUCK = ("naked singles", "hidden singles", "guess"), -1
SPLITS = ("training", "validation", "test")
FEWEST = {6: 10, 9: 17}  # givens: with fewer, hardly any puzzle has one solution (9 x 9: none)


class Puzzles(NamedTuple):
    """N puzzles and the one solution of each, (N, S) uint8 both."""

    givens: Tensor
    solutions: Tensor

    def __getitem__(self, index: slice | Tensor) -> "Puzzles":
        """Return some of the puzzles: an index selects puzzles, not fields."""
        givens, solutions = self
        return Puzzles(givens[index], solutions[index])

    @property
    def empty(self) -> Tensor:
        """Which cells are not given: (N, S), bool."""
        return self.givens == side_of(self.givens.shape[1])


@checked
def side_of(cells: int) -> int:
    """Return the side of a puzzle with so many cells: 36 -> 6, 81 -> 9.

    Raises:
        ValueError: another number of cells.
    """
    side = math.isqrt(cells)
    if side not in BOXES or side * side != cells:
        raise ValueError(f"puzzles of {cells} cells are unknown here. Fix: 36 cells, or 81.")
    return side


@checked
def check_puzzles(puzzles: Puzzles) -> None:
    """Raise ValueError unless both fields are (N, S), of whole numbers up to the empty cell's."""
    check_shape("(N, S)", givens=puzzles.givens)
    count, cells = puzzles.givens.shape
    side = side_of(cells)
    check_shape(f"({count}, {cells})", solutions=puzzles.solutions)
    check_whole(0, side, givens=puzzles.givens, solutions=puzzles.solutions)


@cache
@checked
def units(side: int = SIDE) -> Tensor:
    """Return the rows, the columns and the boxes as masks of cells (3 * side, S), float32."""
    check_choice(tuple(BOXES), side=side)
    (height, width), cells = BOXES[side], torch.arange(side * side)
    row, column = cells // side, cells % side
    box = row // height * (side // width) + column // width
    number = torch.arange(side)[:, None]
    return torch.cat([row == number, column == number, box == number]).float()


@cache
@checked
def peers(side: int = SIDE) -> Tensor:
    """Return which cells may not hold the same digit (S, S), bool: 12 or 20 for each cell."""
    together = units(side).T @ units(side) > 0  # (S, S)
    return together & ~torch.eye(side * side, dtype=torch.bool)


@cache
def grids() -> Tensor:
    """Return all 39,168 solved grids whose first row is 0 1 2 3 4 5: (39168, 36) uint8."""
    rows = torch.tensor(list(itertools.permutations(range(SIDE))))  # (720, 6)
    # Bit 6 * column + digit: what a row holds, and what it forbids in the row below in its boxes.
    (height, width), column, digit = BOXES[SIDE], torch.arange(SIDE), rows
    holds = (1 << (SIDE * column + digit)).sum(dim=1)  # (720,)
    beside = column[:, None] // width == column // width  # (6, 6): columns of one box
    spread = 1 << (SIDE * column[:, None] + digit[:, None])  # (720, 6, 6)
    forbids = (spread * beside).sum(dim=(1, 2))  # (720,)
    chosen = torch.zeros(1, 1, dtype=torch.long)  # (N, rows so far), as numbers of `rows`
    for r in range(1, SIDE):
        taken = holds[chosen].sum(dim=1)  # digits in a column differ, so the sum is the union
        if r % height:
            taken = taken | forbids[chosen[:, -1]]
        parts = []
        for some, mask in zip(chosen.split(2048), taken.split(2048), strict=True):
            grid, row = (mask[:, None] & holds == 0).nonzero(as_tuple=True)
            parts.append(torch.cat([some[grid], row[:, None]], dim=1))
        chosen = torch.cat(parts)
    return rows[chosen].flatten(1).to(torch.uint8)


@checked
def symmetries(numbers: Tensor, side: int = SIDE) -> Tensor:
    """Return permutations of cells that map units to units: by their numbers (N,), (N, S).

    There are 3,456, or 1,679,616 for side 9; `grid[symmetry]` is a valid grid again. 9 x 9 grids
    can be transposed, too; that isn't among them.

    Raises:
        ValueError: another side, or numbers that no symmetry has.
    """
    check_choice(tuple(BOXES), side=side)
    rows, columns = (_line_orders(width, side) for width in BOXES[side])
    check_shape("(N,)", numbers=numbers)
    check_whole(0, len(rows) * len(columns) - 1, numbers=numbers)
    row, column = rows[numbers // len(columns)], columns[numbers % len(columns)]  # (N, side)
    return (row[:, :, None] * side + column[:, None]).flatten(1)


@cache
def _line_orders(width: int, side: int) -> Tensor:
    """Return the orders of the lines that keep groups of `width` lines together: (n, side)."""
    groups = [range(start, start + width) for start in range(0, side, width)]
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
    return largest_first[_of_split(torch.arange(len(largest_first)), split)]


def _of_split(numbers: Tensor, split: str) -> Tensor:
    """Return which numbers belong to a split: by their remainder, three of five for training."""
    turn = numbers % 5
    chosen = {"training": (turn != 1) & (turn != 2), "validation": turn == 2, "test": turn == 1}
    return chosen[split]


@checked
def cycles(some: Tensor) -> Tensor:
    """Return a number for each grid (N, 81) that no disguise and no transposition changes: (N,).

    Two rows make a permutation of digits: the digit above becomes the one below. Counted are its
    cycles, summed over all pairs of rows and all pairs of columns. Renaming digits or swapping
    columns keeps a permutation's cycles, and swapping rows only changes the order of the sum.

    Raises:
        ValueError: another shape, or a line that is no permutation of the digits.
    """
    check_shape("(N, 81)", some=some)
    image = some.long().unflatten(1, (9, 9))
    first, second = torch.combinations(torch.arange(9)).T  # (36,) each
    total = torch.zeros(len(some), dtype=torch.long)
    for lines in (image, image.mT):
        if not torch.equal(lines.sort(dim=2)[0], torch.arange(9).expand_as(lines)):
            raise ValueError("some has a line without all of 0 ... 8. Fix: some=solved grids.")
        step = lines[:, second].gather(2, lines[:, first].argsort(dim=2))  # (N, 36, 9)
        smallest = torch.arange(9).expand_as(step)  # of the digits on the way, which doubles
        for _ in range(4):
            smallest = smallest.minimum(smallest.gather(2, step))
            step = step.gather(2, step)
        total += (smallest == torch.arange(9)).sum(dim=(1, 2))
    return total


def _random_grids(count: int, split: str, side: int, generator: torch.Generator) -> Tensor:
    """Return random solved grids of a split (count, S), 6 x 6 ones with the first row in order."""
    if side == SIDE:
        pool = grids()[torch.isin(classes(), split_of_classes(split))]
        return pool[torch.randint(len(pool), (count,), generator=generator)]
    found = torch.zeros(0, 81, dtype=torch.uint8)
    while len(found) < count:
        seeds = torch.randint(2**62, (count,), generator=generator).tolist()
        some = torch.tensor([_random_grid(random.Random(seed)) for seed in seeds])
        some = some[_of_split(cycles(some), split)]
        found = torch.cat([found, some.to(torch.uint8)])
    return found[:count]


def _random_grid(chance: random.Random) -> list[int]:
    """Return a solved 9 x 9 grid: any three boxes on the diagonal, the rest by depth-first search.

    Every such three boxes can be completed. Not all grids are equally likely.
    """
    cells = [9] * 81
    for corner in (0, 30, 60):
        digits = chance.sample(range(9), 9)
        for i, digit in enumerate(digits):
            cells[corner + i // 3 * 9 + i % 3] = digit
    used, empty = _used(cells, 9)
    chance.shuffle(empty)
    for (r, c, _), digit in next(_fillings(used, empty)).items():
        cells[9 * r + c] = digit
    return cells


@checked
def generate(
    count: int,
    split: str,
    *,
    givens: tuple[int, ...] = (13, 14),
    seed: int = 0,
    side: int = SIDE,
) -> Puzzles:
    """Return `count` puzzles, each with exactly one solution.

    A random grid of the split loses its cells in random order, each one unless the puzzle would
    then have a second solution, until as many are left as wanted.

    Args:
        count: of puzzles.
        split: see `split_of_classes`, for 9 x 9 `cycles`.
        givens: the numbers of cells that may be given; each is asked for equally often.
        seed: of the grids and of what is taken away.
        side: 6 or 9.

    Raises:
        ValueError: an unknown split or side, a count below 1, or givens outside 10 ... 36, for
            side 9 outside 17 ... 81.
    """
    check_positive_integers(count=count)
    check_choice(SPLITS, split=split)
    check_choice(tuple(BOXES), side=side)
    fewest, cells = FEWEST[side], side * side
    if not givens or not all(fewest <= number <= cells for number in givens):
        raise ValueError(
            f"givens={givens} must be one or more numbers from {fewest} to {cells} givens (with "
            f"fewer, hardly any puzzle has one solution only). Fix: givens=({cells // 2},)."
        )
    generator = torch.Generator().manual_seed(seed)
    found, missing = [], count
    while missing > 0:
        grid = _random_grids(missing + 8, split, side, generator)
        grid = _rename(grid, _new_names(len(grid), side, generator))
        wanted = torch.tensor(givens)[torch.randint(len(givens), (len(grid),), generator=generator)]
        puzzles = _dig(grid, wanted, generator)
        done = (puzzles != side).sum(dim=1) == wanted  # the others can lose no further cell
        found.append(Puzzles(puzzles, grid)[done])
        missing -= int(done.sum())
    return Puzzles(*(torch.cat(field)[:count] for field in zip(*found, strict=True)))


def _new_names(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return `count` random orders of the digits (count, side)."""
    return torch.rand(count, side, generator=generator).argsort(dim=1)


def _rename(some: Tensor, names: Tensor) -> Tensor:
    """Return puzzles (N, S) with each digit d as `names[:, d]`; empty cells stay."""
    empty = torch.full((len(names), 1), names.shape[1])
    names = torch.cat([names, empty], dim=1).to(torch.uint8)
    return names.gather(1, some.long())


@checked
def disguised(puzzles: Puzzles, generator: torch.Generator) -> Puzzles:
    """Return the puzzles with digits renamed and lines permuted at random, each in its own way.

    A symmetry keeps the number of solutions, so this makes 2,488,320 puzzles of one, of its class
    (of a 9 x 9 puzzle, 609,499,054,080).

    Raises:
        ValueError: fields that are not (N, S), or digits that the side does not have.
    """
    check_puzzles(puzzles)
    count, cells = puzzles.givens.shape
    side = side_of(cells)
    number = math.prod(len(_line_orders(width, side)) for width in BOXES[side])
    symmetry = symmetries(torch.randint(number, (count,), generator=generator), side)
    names = _new_names(count, side, generator)
    return Puzzles(*(_rename(field.gather(1, symmetry), names) for field in puzzles))


def _dig(grid: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    puzzles, empty = grid.clone(), side_of(grid.shape[1])
    order = torch.rand(grid.shape, generator=generator).argsort(dim=1)  # (N, S)
    for cell in order.T:
        rich = ((puzzles != empty).sum(dim=1) > wanted).nonzero().flatten()
        poorer = puzzles[rich]
        poorer.scatter_(1, cell[rich, None], empty)
        unique = rounds_of_singles(poorer) != STUCK
        for i in (~unique).nonzero().flatten().tolist():
            unique[i] = count_solutions(poorer[i]) == 1
        puzzles[rich[unique]] = poorer[unique]
    return puzzles


@checked
def candidates(puzzles: Tensor) -> Tensor:
    """Return which digits each cell may hold, seen alone: (N, S) -> (N, S, side) bool.

    Raises:
        ValueError: another shape, or numbers above the one of the empty cell.
    """
    check_shape("(N, S)", puzzles=puzzles)
    side = side_of(puzzles.shape[1])
    check_whole(0, side, puzzles=puzzles)
    one_hot = puzzles[..., None] == torch.arange(side, dtype=torch.uint8)
    return one_hot | (puzzles == side)[..., None]


@checked
def eliminate(possible: Tensor, hidden: bool = True) -> Tensor:
    """Return (N, S, side) after one round of singles.

    Naked: what a cell holds for certain, its peers do not. Hidden: a digit with one place left
    in a row, column or box stands there.

    Raises:
        ValueError: another shape, or anything but True and False.
    """
    check_shape("(N, S, side)", possible=possible)
    side = side_of(possible.shape[1])
    check_shape(f"(N, {side * side}, {side})", possible=possible)
    if possible.dtype != torch.bool:
        raise ValueError(
            f"possible={possible.dtype} must be True or False. Fix: possible=candidates(puzzles)."
        )
    certain = possible & (possible.sum(dim=2, keepdim=True) == 1)
    possible = possible & ~(peers(side).float() @ certain.float() > 0)
    if not hidden:
        return possible
    only_place = (units(side) @ possible.float() == 1).float()  # (N, 3 * side, side)
    forced = possible & (units(side).T @ only_place > 0)  # (N, S, side)
    return torch.where(forced.any(dim=2, keepdim=True), forced, possible)


@checked
def rounds_of_singles(puzzles: Tensor, hidden: bool = True) -> Tensor:
    """Return after how many rounds of singles each puzzle (N, S) is solved: (N,).

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
    wrong = ((units(possible.shape[2]) @ possible.float()) != 1).any(dim=2).any(dim=1)
    return rounds.where(~wrong, STUCK)


@checked
def difficulty(puzzles: Tensor) -> Tensor:
    """Return each puzzle's level (N,): the index in LEVELS of what a person needs to solve it."""
    naked, hidden = (rounds_of_singles(puzzles, hidden=kind) != STUCK for kind in (False, True))
    return 2 - hidden.long() - naked.long()


@checked
def count_solutions(puzzle: Tensor, limit: int = 2) -> int:
    """Return how many solutions a puzzle (S,) has, counting no further than `limit`.

    Depth-first search, always at the cell with the fewest digits left; no function that makes
    or judges puzzles is used, so that it can judge their work.

    Raises:
        ValueError: not 36 whole numbers of 0 ... 6, or 81 of 0 ... 9; a limit below 1.
    """
    check_positive_integers(limit=limit)
    cells = puzzle.flatten().tolist()
    side = 9 if len(cells) == 81 else SIDE
    digits = all(type(digit) is int and 0 <= digit <= side for digit in cells)
    if puzzle.shape != (side * side,) or not digits:
        raise ValueError(
            f"puzzle={shown(puzzle)}, {puzzle.dtype}, must be {side * side} whole numbers of "
            f"0 ... {side}. Fix: row by row, {side} for an empty cell."
        )
    used, empty = _used(cells, side)
    given = side * side - len(empty)
    if sum(digits.bit_count() for digits in used[0] + used[1] + used[2]) < 3 * given:
        return 0  # a digit is twice in a unit
    return sum(1 for _ in itertools.islice(_fillings(used, empty), limit))


Used = tuple[list[int], list[int], list[int]]  # digits in each row, column and box, a bit each
Place = tuple[int, int, int]  # the row, the column and the box of a cell


def _used(cells: list[int], side: int) -> tuple[Used, list[Place]]:
    """Return which digits each unit has, and the places that are empty."""
    used, empty = ([0] * side, [0] * side, [0] * side), []
    height, width = BOXES[side]
    for cell, digit in enumerate(cells):
        r, c = divmod(cell, side)
        place = r, c, r // height * height + c // width  # as many boxes side by side as rows in one
        if digit == side:
            empty.append(place)
        else:
            for unit, index in zip(used, place, strict=True):
                unit[index] |= 1 << digit
    return used, empty


def _fillings(used: Used, empty: list[Place]) -> Iterator[dict[Place, int]]:
    """Yield each way to fill the empty places; the first of those with the fewest digits first."""
    if not empty:
        yield {}
        return
    row, column, box = used
    everything, fewest = (1 << len(row)) - 1, len(row) + 1
    for place in empty:
        r, c, b = place
        free = everything & ~(row[r] | column[c] | box[b])
        number = free.bit_count()
        if number < fewest:
            best, options, fewest = place, free, number
            if number < 2:
                break
    (r, c, b), rest = best, [place for place in empty if place is not best]
    while options:
        bit = options & -options
        options ^= bit
        row[r], column[c], box[b] = row[r] | bit, column[c] | bit, box[b] | bit
        for filling in _fillings(used, rest):
            filling[best] = bit.bit_length() - 1
            yield filling
        row[r], column[c], box[b] = row[r] ^ bit, column[c] ^ bit, box[b] ^ bit
