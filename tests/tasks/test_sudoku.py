import itertools

import pytest
import torch

from hdd.tasks import sudoku
from hdd.tasks.sudoku import CELLS, EMPTY, SIDE, Puzzles

UNITS = (
    [[6 * r + c for c in range(6)] for r in range(6)]
    + [[6 * r + c for r in range(6)] for c in range(6)]
    + [[6 * (r + i) + c + j for i in (0, 1) for j in (0, 1, 2)] for r in (0, 2, 4) for c in (0, 3)]
)

NINE = (
    [[9 * r + c for c in range(9)] for r in range(9)]
    + [[9 * r + c for r in range(9)] for c in range(9)]
    + [
        [9 * r + c + i for i in (0, 1, 2, 9, 10, 11, 18, 19, 20)]
        for r in (0, 3, 6)
        for c in (0, 3, 6)
    ]
)


def solutions_by_brute_force(puzzle):
    """Return all solutions, cell by cell in reading order: slow, and nothing to get wrong."""
    found = []

    def fill(cells):
        if EMPTY not in cells:
            found.append(cells)
            return
        cell = cells.index(EMPTY)
        seen = {cells[other] for unit in UNITS if cell in unit for other in unit}
        for digit in set(range(SIDE)) - seen:
            fill([*cells[:cell], digit, *cells[cell + 1 :]])

    fill(puzzle.tolist())
    return found


def solutions_by_exact_cover(puzzle, limit):
    """Return up to `limit` solutions of a 9 x 9 puzzle: Knuth's algorithm X, with sets alone.

    Each choice (cell, digit) covers a cell and a digit in three units; all must be covered once.
    """
    covers = {}
    for cell, given in enumerate(puzzle.tolist()):
        for digit in range(9) if given == 9 else [given]:
            wants = [(unit, digit) for unit in range(27) if cell in NINE[unit]]
            covers[cell, digit] = [cell, *wants]
    wanted = {want: set() for want in [*range(81), *itertools.product(range(27), range(9))]}
    for choice, wants in covers.items():
        for want in wants:
            wanted[want].add(choice)

    def choose(open_):
        if not open_:
            yield {}
            return
        want = min(open_, key=lambda want: len(open_[want]))
        for cell, digit in sorted(open_[want]):
            met = covers[cell, digit]
            gone = set().union(*(open_[other] for other in met))
            rest = {other: choices - gone for other, choices in open_.items() if other not in met}
            for solution in choose(rest):
                yield solution | {cell: digit}

    found = itertools.islice(choose(wanted), limit)
    return [[solution[cell] for cell in range(81)] for solution in found]


@pytest.fixture(scope="module")
def puzzles():
    return sudoku.generate(120, "test", seed=1)


@pytest.fixture(scope="module")
def nine():
    """Puzzles as in the experiment, easy ones, and some with so few givens that it searches."""
    easy = sudoku.generate(40, "test", givens=tuple(range(36, 47)), seed=1, side=9)
    hard = sudoku.generate(12, "test", givens=(27,), seed=2, side=9)
    return Puzzles(*(torch.cat(fields) for fields in zip(easy, hard, strict=True)))


@pytest.mark.parametrize(("side", "lines", "number"), [(6, UNITS, 12), (9, NINE, 20)])
def test_units_and_peers_are_those_of_the_rules(side, lines, number):
    assert sorted(sudoku.units(side).nonzero().tolist()) == sorted(
        [i, cell] for i, unit in enumerate(lines) for cell in unit
    )
    for cell, others in enumerate(sudoku.peers(side).tolist()):
        expected = {other for unit in lines if cell in unit for other in unit} - {cell}
        assert {i for i, peer in enumerate(others) if peer} == expected
        assert len(expected) == number


def test_six_by_six_is_what_it_was_before_there_was_nine_by_nine(puzzles):
    """The records and the weights were made with these puzzles."""
    first, last = (
        "".join(map(str, some.tolist())) for some in (puzzles.givens[0], puzzles.solutions[-1])
    )
    assert first == "266666665636656662621453666616563664"
    assert last == "043512512403420135351240204351135024"
    other = sudoku.disguised(puzzles, torch.Generator().manual_seed(0)).givens[0]
    assert "".join(map(str, other.tolist())) == "665666606631666626661663626366013265"


def test_there_are_28200960_grids_in_49_classes():
    grids, classes = sudoku.grids(), sudoku.classes()
    assert len(grids) * 720 == 28_200_960  # known from the literature, as is 49
    assert classes.unique().tolist() == list(range(49))
    assert len(grids.unique(dim=0)) == len(grids)
    for unit in UNITS:
        assert (grids[:, unit].sort(dim=1)[0] == torch.arange(SIDE)).all()


def test_symmetries_map_units_to_units_and_are_all_different():
    symmetries = sudoku.symmetries(torch.arange(3456))
    assert len(symmetries.unique(dim=0)) == 3456
    some = torch.arange(1296**2)[::9973]
    of_nine = sudoku.symmetries(some, 9)
    assert len(of_nine.unique(dim=0)) == len(some)
    for lines, chosen in ((UNITS, symmetries[::97]), (NINE, of_nine)):
        units = {frozenset(unit) for unit in lines}
        for symmetry in chosen.tolist():
            assert {frozenset(symmetry[cell] for cell in unit) for unit in lines} == units


def first_row_in_order(grid):
    return tuple(grid[:SIDE].tolist().index(digit) for digit in grid.tolist())


@pytest.fixture(scope="module")
def number():
    """The number of each grid."""
    return {tuple(grid): i for i, grid in enumerate(sudoku.grids().tolist())}


def test_a_disguise_stays_in_its_class(number):
    """So a test puzzle can't be a training puzzle with other digits or permuted lines."""
    pool = sudoku.grids()[::1000]
    for k in (0, 1, 50, 100, 1000, 3455):
        for i, grid in enumerate(pool[:, sudoku.symmetries(torch.tensor([k]))[0]]):
            other = number[first_row_in_order(grid)]
            assert sudoku.classes()[other] == sudoku.classes()[1000 * i]


def test_splits_share_no_class_and_leave_none_out():
    parts = [set(sudoku.split_of_classes(split).tolist()) for split in sudoku.SPLITS]
    assert set.union(*parts) == set(range(49))
    assert all(not a & b for a, b in itertools.combinations(parts, 2))
    assert [len(part) for part in parts] == [29, 10, 10]
    with pytest.raises(ValueError, match="'training'"):
        sudoku.split_of_classes("train")


def cycles_counted_by_walking(grid):
    lines, total = grid.view(9, 9), 0
    for a, b in itertools.combinations(range(9), 2):
        for above, below in ((lines[a], lines[b]), (lines[:, a], lines[:, b])):
            to, seen = dict(zip(above.tolist(), below.tolist(), strict=True)), set()
            for digit in range(9):
                total += digit not in seen
                while digit not in seen:
                    seen.add(digit)
                    digit = to[digit]
    return total


def test_no_nine_by_nine_grid_of_a_split_is_one_of_another_in_disguise():
    """All disguises of a grid share the number that decides its split."""
    for split, turns in {"training": {0, 3, 4}, "validation": {2}, "test": {1}}.items():
        full = sudoku.generate(30, split, givens=(81,), seed=3, side=9)
        grids = full.solutions
        assert torch.equal(full.givens, grids)
        assert len(grids.unique(dim=0)) == 30
        for unit in NINE:
            assert (grids[:, unit].sort(dim=1)[0] == torch.arange(9)).all()
        cycles = sudoku.cycles(grids)
        assert cycles.tolist() == [cycles_counted_by_walking(grid) for grid in grids]
        assert set((cycles % 5).tolist()) <= turns
        assert cycles.unique().numel() > 3  # it isn't a number that all grids share
        for seed in range(5):
            other = sudoku.disguised(full, torch.Generator().manual_seed(seed)).solutions
            assert torch.equal(sudoku.cycles(other), cycles)
        turned = grids.view(-1, 9, 9).mT.flatten(1)
        assert torch.equal(sudoku.cycles(turned), cycles)


def test_nine_by_nine_puzzles_have_one_solution_each(nine):
    given = ~nine.empty
    assert given.sum(dim=1).min() == 27
    assert 36 <= given.sum(dim=1)[:40].min() <= given.sum(dim=1)[:40].max() <= 46
    assert torch.equal(nine.givens[given], nine.solutions[given])
    assert set(nine.givens[nine.empty].tolist()) == {9}
    for givens, solution in zip(*nine, strict=True):
        assert solutions_by_exact_cover(givens, 2) == [solution.tolist()]
        assert sudoku.count_solutions(givens) == 1


def test_nine_by_nine_puzzles_are_as_hard_as_singles_say(nine):
    rounds = sudoku.rounds_of_singles(nine.givens)
    assert (rounds[:40] > 1).all()
    solvable = rounds != sudoku.STUCK
    possible = sudoku.candidates(nine.givens)[solvable]
    for _ in range(int(rounds.max())):
        possible = sudoku.eliminate(possible)
    assert torch.equal(possible.long().argmax(dim=2), nine.solutions[solvable].long())
    other = sudoku.disguised(nine, torch.Generator().manual_seed(0))
    assert torch.equal(sudoku.difficulty(other.givens), sudoku.difficulty(nine.givens))


def test_the_solver_counts_nine_by_nine_like_exact_cover(nine):
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(20, 81, generator=generator) < torch.linspace(0.35, 0.5, 20)[:, None]
    counts = []
    for puzzle in torch.where(kept, nine.solutions[:20], 9):
        counts.append(len(solutions_by_exact_cover(puzzle, 50)))
        assert sudoku.count_solutions(puzzle, limit=50) == counts[-1]
    assert min(counts) == 1
    assert max(counts) > 2


def test_puzzles_come_from_their_split_and_have_the_wanted_givens(puzzles, number):
    chosen = set(sudoku.split_of_classes("test").tolist())
    for grid in puzzles.solutions:
        assert int(sudoku.classes()[number[first_row_in_order(grid)]]) in chosen
    assert {13, 14} == set((puzzles.givens != EMPTY).sum(dim=1).tolist())
    given = puzzles.givens != EMPTY
    assert torch.equal(puzzles.givens[given], puzzles.solutions[given])


def test_every_puzzle_has_exactly_its_solution(puzzles):
    for givens, solution in zip(*puzzles, strict=True):
        assert solutions_by_brute_force(givens) == [solution.tolist()]


def test_hard_puzzles_have_one_solution_too():
    few = sudoku.generate(20, "validation", givens=(10,), seed=3)
    assert sudoku.difficulty(few.givens).max() == 2  # the generator had to search
    for givens, solution in zip(*few, strict=True):
        assert solutions_by_brute_force(givens) == [solution.tolist()]


def test_the_seed_decides():
    first, again, other = (sudoku.generate(10, "test", seed=seed).givens for seed in (1, 1, 2))
    assert torch.equal(again, first)
    assert not torch.equal(other, first)


def test_disguises_keep_solution_and_difficulty(puzzles):
    disguised = sudoku.disguised(puzzles, torch.Generator().manual_seed(0))
    assert not torch.equal(disguised.givens, puzzles.givens)
    assert torch.equal(sudoku.difficulty(disguised.givens), sudoku.difficulty(puzzles.givens))
    for givens, solution in zip(*disguised[:20], strict=True):
        assert solutions_by_brute_force(givens) == [solution.tolist()]


def test_the_solver_counts_like_brute_force():
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(40, CELLS, generator=generator) < torch.linspace(0.25, 0.6, 40)[:, None]
    some = torch.where(kept, sudoku.grids()[:40], EMPTY)
    counts = [len(solutions_by_brute_force(puzzle)) for puzzle in some]
    assert min(counts) == 1
    assert max(counts) > 2
    for puzzle, count in zip(some, counts, strict=True):
        assert sudoku.count_solutions(puzzle, limit=10**9) == count
        assert sudoku.count_solutions(puzzle) == min(count, 2)


def test_the_solver_sees_contradictions_and_bad_input(puzzles):
    twice = puzzles.solutions[0].clone()
    twice[0] = twice[1]
    assert sudoku.count_solutions(twice) == 0
    stuck = torch.full((CELLS,), EMPTY)
    stuck[[0, 1, 2, 9, 10]] = torch.arange(5)  # cell 3 can only hold 5,
    stuck[33] = 5  # which its column has
    assert sudoku.count_solutions(stuck) == 0
    with pytest.raises(ValueError, match="Fix: row by row"):
        sudoku.count_solutions(torch.zeros(80))
    with pytest.raises(ValueError, match=r"puzzles of 80 cells .*\. Fix: 36"):
        sudoku.difficulty(torch.zeros(2, 80, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"81 whole numbers of 0 \.\.\. 9"):
        sudoku.count_solutions(torch.full((81,), 10))
    with pytest.raises(ValueError, match=r"0 \.\.\. 6"):
        sudoku.count_solutions(torch.full((CELLS,), 7))


def test_difficulty_is_what_is_needed():
    """One cell empty: naked. A digit that all other cells of a row exclude: hidden. Bare: guess."""
    grid = sudoku.grids()[0]
    easy = grid.clone()
    easy[7] = EMPTY
    bare = torch.full((CELLS,), EMPTY, dtype=torch.uint8)
    assert sudoku.difficulty(torch.stack([easy, bare])).tolist() == [0, 2]
    some = sudoku.generate(30, "training", givens=(10,), seed=0).givens
    level = sudoku.difficulty(some)
    assert {0, 1, 2} >= set(level.tolist())
    assert torch.equal(level < 2, sudoku.rounds_of_singles(some) >= 0)
    assert torch.equal(level < 1, sudoku.rounds_of_singles(some, hidden=False) >= 0)


def test_rounds_count_how_often_singles_are_needed(puzzles):
    rounds = sudoku.rounds_of_singles(puzzles.givens)
    assert rounds.max() > 3
    for number in rounds[rounds > 0].unique().tolist():
        possible = sudoku.candidates(puzzles.givens[rounds == number])
        for _ in range(number):
            assert (possible.sum(dim=2) > 1).any(dim=1).all()  # none is done earlier
            possible = sudoku.eliminate(possible)
        solutions = puzzles.solutions[rounds == number].long()
        assert torch.equal(possible.long().argmax(dim=2), solutions)
    full = sudoku.grids()[:2].clone()
    full[1, :2] = full[1, :2].flip(0)  # twice in a column
    assert sudoku.rounds_of_singles(full).tolist() == [0, sudoku.STUCK]


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"givens": (3,)}, {"givens": ()}, {"side": 8}, {"givens": (16,), "side": 9}],
)
def test_generate_refuses_nonsense(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.*Fix: "):
        sudoku.generate(**{"count": 5, "split": "test"} | wrong)


def test_an_index_selects_puzzles(puzzles):
    assert isinstance(puzzles[:3], Puzzles)
    assert puzzles[:3].givens.shape == puzzles[:3].solutions.shape == (3, CELLS)
