import itertools

import pytest
import torch
from torch import nn

from hdd.models.learned_weights import effective_mixing
from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks import recursive_mixer, sudoku
from hdd.tasks.recursive_mixer import KINDS, RecursiveNet, Training
from hdd.tasks.sudoku import CELLS, EMPTY, Puzzles
from hdd.train.records import load_run, load_weights


@pytest.fixture(scope="module")
def puzzles():
    return sudoku.generate(40, "training", seed=5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_answers_every_cell_after_every_recursion(kind, puzzles):
    torch.manual_seed(0)
    net = RecursiveNet(kind, dim=16, token_dim=12, channel_dim=20, recursions=3)
    logits = net(puzzles.givens)
    assert logits.shape == (3, 40, CELLS, 6)
    logits.square().mean().backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name


STARTS = {  # three logits of each kind's network as it was before there was 9 x 9
    "token-mlp": [-0.52786, 0.82587, 1.07018],
    "attention-1d": [-0.13757, 0.97443, -0.22673],
    "attention-2d": [-0.02515, 0.70440, -0.55513],
    "attention-moved": [-0.55130, 0.77785, -0.49956],
    "attention-learned": [0.58167, 0.15300, 1.47217],
    "axial-mean": [-0.46656, -0.66642, -0.96317],
}


@pytest.mark.parametrize("kind", KINDS)
def test_six_by_six_networks_begin_as_they_did_before_there_was_nine_by_nine(kind, puzzles):
    """The records' seeds mean these networks."""
    torch.manual_seed(0)
    logits = RecursiveNet(kind, dim=16, recursions=3)(puzzles.givens)
    assert logits[-1, 0, 0, :3].tolist() == pytest.approx(STARTS[kind], abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_nine_by_nine_is_trained_and_judged_by_the_same_functions(kind):
    puzzles = sudoku.generate(30, "training", givens=(45,), side=9)
    torch.manual_seed(0)
    net = RecursiveNet(kind, dim=16, recursions=2, side=9)
    assert net(puzzles.givens).shape == (2, 30, 81, 9)
    how = Training(steps=20, batch=8, optimizer="adamw", lr=1e-2, reveal=1.0)
    losses = recursive_mixer.train(net, puzzles, how)
    assert sum(losses[-5:]) < sum(losses[:5])
    right = recursive_mixer.solved(net, puzzles)
    assert right.shape == (2, 30, 81)
    assert right[:, ~puzzles.empty].all()
    answers = net(puzzles.givens).argmax(dim=3)
    assert torch.equal(right[:, puzzles.empty], (answers == puzzles.solutions)[:, puzzles.empty])


@pytest.mark.parametrize("side", [6, 9])
def test_all_kinds_have_equally_many_parameters(side):
    counts = {kind: count_trainable_parameter(RecursiveNet(kind, side=side)) for kind in KINDS}
    smallest, largest = min(counts.values()), max(counts.values())
    assert largest < 1.01 * smallest, counts


def test_recursions_act_and_share_their_weights(puzzles):
    torch.manual_seed(0)
    net = RecursiveNet(recursions=2)
    few, many = net(puzzles.givens), net(puzzles.givens, recursions=5)
    assert len(many) == 5
    torch.testing.assert_close(many[:2], few)
    for earlier, later in itertools.pairwise(many):
        assert not torch.allclose(earlier, later)


def test_only_the_token_mlp_knows_cells_without_positions(puzzles):
    """Attention whose positions are zero treats permuted cells alike; the token MLP does not."""
    order = torch.randperm(CELLS, generator=torch.Generator().manual_seed(0))
    for kind in ("token-mlp", "attention-1d", "attention-2d", "attention-learned"):
        torch.manual_seed(0)
        net = RecursiveNet(kind, recursions=2)
        if net.position is not None:
            nn.init.zeros_(net.position)
        same = torch.allclose(
            net(puzzles.givens[:, order]), net(puzzles.givens)[:, :, order], atol=1e-5
        )
        assert same == (kind != "token-mlp"), kind


@pytest.mark.parametrize("side", [6, 9])
def test_positions_tell_all_cells_apart(side):
    for kind in KINDS[1:]:
        positions = RecursiveNet(kind, side=side).position.detach()
        assert positions.shape == (side * side, 48)
        assert torch.pdist(positions).min() > 0.1, kind


def test_axial_mean_sees_its_row_and_column_alone():
    torch.manual_seed(0)
    mixer, x = recursive_mixer.AxialMean(4), torch.randn(1, CELLS, 4)
    changed = x.clone()
    changed[0, 8] += 1  # row 1, column 2
    moved = (mixer(changed) - mixer(x)).abs().sum(dim=2)[0] > 1e-6
    assert moved.view(6, 6).nonzero().tolist() == [
        [r, c] for r in range(6) for c in range(6) if r == 1 or c == 2
    ]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_training_lowers_the_loss_and_is_repeatable(optimizer, puzzles):
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        net = RecursiveNet(dim=16, recursions=2)
        how = Training(steps=20, batch=8, optimizer=optimizer, lr=1e-2, reveal=1.0)
        losses.append(recursive_mixer.train(net, puzzles, how, seed=1))
    assert losses[0] == losses[1]
    assert not net.training
    assert sum(losses[0][-5:]) < sum(losses[0][:5])


def test_revealing_fills_in_the_solution_only(puzzles):
    generator = torch.Generator().manual_seed(0)
    shown = recursive_mixer._revealed(puzzles, 1.0, generator)
    given = puzzles.givens != EMPTY
    assert torch.equal(shown[given], puzzles.givens[given])
    assert torch.equal(shown[shown != EMPTY], puzzles.solutions[shown != EMPTY])
    counts = (shown != EMPTY).sum(dim=1)
    assert counts.min() < 20
    assert counts.max() > 30


def test_a_batch_without_empty_cells_teaches_nothing_and_does_no_harm(puzzles):
    """With one puzzle a step, all its cells may be revealed."""
    torch.manual_seed(0)
    net = RecursiveNet(dim=8, recursions=2)
    full = Puzzles(puzzles.solutions, puzzles.solutions)
    losses = recursive_mixer._losses(net, full)
    assert losses.tolist() == [0, 0]
    losses.sum().backward()
    mixed = Puzzles(*(torch.cat([a[:1], b]) for a, b in zip(puzzles, full, strict=True)))
    found = recursive_mixer.train(net, mixed, Training(steps=20, batch=1))
    assert 0 in found
    assert all(parameter.isfinite().all() for parameter in net.parameters())


def test_no_recursions_are_not_the_default_number(puzzles):
    net = RecursiveNet(dim=8, recursions=2)
    with pytest.raises(ValueError, match="recursions=0 must be a positive integer"):
        net(puzzles.givens, 0)
    with pytest.raises(ValueError, match=r"puzzles has the shape \(1, 81\)\. Fix: .*\(B, 36\)"):
        net(torch.zeros(1, 81, dtype=torch.uint8))


class Oracle(nn.Module):
    """Knows the solution of one puzzle, but for one cell before the second recursion."""

    def __init__(self, solution, cell):
        super().__init__()
        self.solution, self.cell = solution.long(), cell

    def forward(self, puzzles, recursions=None):
        logits = nn.functional.one_hot(self.solution, 6).float().expand(2, len(puzzles), -1, -1)
        logits = logits.clone()
        logits[0, :, self.cell] = logits[0, :, self.cell].roll(1, dims=-1)
        return logits


def test_solved_counts_empty_cells_only(puzzles):
    one = puzzles[:1]
    empty, given = ((one.givens[0] == EMPTY) == flag for flag in (True, False))
    cell = int(empty.nonzero()[0])
    right = recursive_mixer.solved(Oracle(one.solutions[0], cell), one)
    assert right.shape == (2, 1, CELLS)
    assert right[:, 0].all(dim=1).tolist() == [False, True]
    assert (~right[0, 0]).nonzero().flatten().tolist() == [cell]
    cell = int(given.nonzero()[0])
    assert recursive_mixer.solved(Oracle(one.solutions[0], cell), one).all()


@pytest.mark.parametrize("side", [6, 9])
def test_rules_are_found_where_they_are_and_only_there(side):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(side**2, side**2, generator=generator)
    inhibition = noise - 10 * sudoku.peers(side).float()
    found = recursive_mixer.rules(inhibition, draws=200)
    assert found.auc > 0.999
    assert found.signed_auc > 0.999
    assert recursive_mixer.rules(-inhibition, draws=2).signed_auc == found.signed_auc
    assert found.peers < -1 < found.others
    assert found.null.max() < 0.7  # the same weights between relabelled cells
    blind = recursive_mixer.rules(noise, draws=200)
    assert abs(blind.auc - 0.5) < 0.06
    assert blind.null.mean() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="36 cells"):
        recursive_mixer.rules(torch.zeros(6, 6))


def test_rules_do_not_see_the_diagonal():
    matrix = torch.randn(CELLS, CELLS, generator=torch.Generator().manual_seed(0))
    shifted = matrix + 100 * torch.eye(CELLS)
    one, other = (recursive_mixer.rules(m, draws=20) for m in (matrix, shifted))
    assert one.auc == other.auc
    assert torch.equal(one.null, other.null)


def test_area_under_the_curve_against_all_pairs():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(-3, 6, (CELLS, CELLS), generator=generator).float()  # with ties
    other = ~sudoku.peers() & ~torch.eye(CELLS, dtype=torch.bool)
    found = recursive_mixer.rules(scores, draws=2)
    for values, area in ((scores.abs(), found.auc), (scores, found.signed_auc)):
        difference = values[sudoku.peers()][:, None] - values[other][None]
        expected = float(((difference > 0).double() + 0.5 * (difference == 0).double()).mean())
        if values is scores:
            expected = max(expected, 1 - expected)
        assert area == pytest.approx(expected)


def test_wrong_names_say_what_would_be_right(puzzles):
    with pytest.raises(ValueError, match="'axial-mean'"):
        RecursiveNet("mixer")
    with pytest.raises(ValueError, match="'muon', 'adamw'"):
        recursive_mixer.train(RecursiveNet(), Puzzles(*puzzles), Training(optimizer="sgd"))


def test_the_recorded_network_solves_puzzles_that_it_has_not_seen():
    net = RecursiveNet()
    net.load_state_dict(load_weights("16_sudoku/token-mlp_seed1"))
    test = sudoku.generate(200, "test", seed=11)
    done = recursive_mixer.solved(net, test, recursions=8).all(dim=2).double().mean(dim=1)
    assert done[0] < 0.2 < 0.98 <= done[-1]
    order = torch.randperm(CELLS, generator=torch.Generator().manual_seed(0))
    moved = Puzzles(*(field[:50, order] for field in test))
    assert not recursive_mixer.solved(net, moved, recursions=8)[-1].all(dim=1).any()
    found = recursive_mixer.rules(effective_mixing(net, 0), draws=50)
    assert found.auc > 0.9 > 0.7 > found.null.max()
    assert found.signed_auc > 0.99 > 0.7 > found.signed_null.max()


def test_the_record_says_where_it_comes_from():
    recipes = load_run("16_sudoku_token-mlp")["recipes"]
    first = {"training": Training()._asdict(), "recursions": 6}
    chosen = next(r for r in recipes if first.items() <= r["runs"][0].items())
    assert chosen["command"].startswith("python resources/experiments/sudoku.py train token-mlp")
    assert [run["seed"] for run in chosen["runs"]] == chosen["seeds"]
    assert chosen["passed"] == sum(run["test_puzzles"] >= 0.99 for run in chosen["runs"])
    low, high = chosen["share_passed_interval"]
    assert low < chosen["passed"] / len(chosen["seeds"]) <= high + 1e-9
