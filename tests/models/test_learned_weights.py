"""What is read off token-mixing weights: planted patterns are found, noise is called noise."""

import math

import pytest
import torch
from reading_weights import influence_maps, unit_maps
from torch import nn

from hdd.models import learned_weights as tm
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import timm_twin
from hdd.train import records


def small(**sizes):
    torch.manual_seed(0)
    return MLPMixer(**({"image_size": 32, "patch_size": 8, "dim": 16, "depth": 2} | sizes))


def plane_waves(grid):
    """Every wave with whole periods, and its negative, shuffled."""
    h, w = grid
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")
    waves = []
    for m in range(h // 2 + 1):
        for n in range(w // 2 + 1):
            for sign in (1, -1):
                waves.append(sign * torch.cos(2 * math.pi * (m * y + n * x)))
    order = torch.randperm(len(waves), generator=torch.Generator().manual_seed(1))
    return torch.stack(waves)[order]


@pytest.mark.parametrize("grid", [(8, 8), (5, 7), (9, 4)])
def test_planted_waves_come_out_paired(grid):
    waves = plane_waves(grid)
    net = small(image_size=(8 * grid[0], 8 * grid[1]), depth=1, token_dim=len(waves))
    net.blocks[0].token_mixing.fc1.weight.data = waves.flatten(1)
    maps = unit_maps(net, 0)
    pairs = tm.opposite_pairs(maps)
    assert sorted(unit for pair in pairs for unit in pair) == list(range(len(waves)))
    for a, b in pairs:
        assert torch.equal(waves[a], -waves[b])
    chance = tm.structure(net, 0, draws=50)
    assert chance["opposite cosine"].value == pytest.approx(-1, abs=1e-5)
    assert chance["opposite cosine"].beyond_chance


@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_random_weights_are_called_chance(patch_size):
    for seed in range(3):
        torch.manual_seed(seed)
        net = MLPMixer(patch_size=patch_size, depth=1)
        for chance in tm.structure(net, 0, draws=40).values():
            assert not chance.beyond_chance
            assert "not distinguishable from chance" in str(chance)


def test_flipped_signs_ask_for_opposites_not_for_smoothness():
    torch.manual_seed(0)
    bumps = nn.functional.avg_pool2d(torch.randn(40, 1, 12, 12), 5, stride=1)[:, 0]  # (40, 8, 8)
    net = small(patch_size=4, depth=1, token_dim=40)
    net.blocks[0].token_mixing.fc1.weight.data = bumps.flatten(1)
    smooth = tm.structure(net, 0)
    assert smooth["opposite cosine"].z < -10  # smooth maps resemble each other, either way
    assert not smooth["opposite rather than equal"].beyond_chance
    net.blocks[0].token_mixing.fc1.weight.data = torch.cat([bumps[:20], -bumps[:20]]).flatten(1)
    assert tm.structure(net, 0)["opposite rather than equal"].z < -3


def test_morans_i_of_known_maps():
    chessboard = (torch.arange(6)[:, None] + torch.arange(6)) % 2
    ramp = torch.arange(6.0).expand(6, 6)
    board, slope, flat = tm.morans_i(torch.stack([chessboard.float(), ramp, torch.ones(6, 6)]))
    assert board == pytest.approx(-1)
    assert 0.6 < slope < 1
    assert flat == 0
    noise = tm.morans_i(torch.randn(4000, 5, 7, generator=torch.Generator().manual_seed(0)))
    assert noise.mean().item() == pytest.approx(-1 / 34, abs=0.006)


@pytest.mark.parametrize(
    ("grid", "largest"), [((8, 8), 0.975), ((7, 7), 0.951), ((4, 4), 0.745), ((2, 2), 0)]
)
def test_morans_i_goes_as_far_as_its_grid_allows(grid, largest):
    low, high = tm.morans_range(grid)
    assert high == pytest.approx(largest, abs=1e-3)
    maps = torch.randn(500, *grid, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    smoothest = torch.cos(math.pi * (y + 0.5) / grid[0])  # close to the first eigenvector
    maps = torch.cat([maps, smoothest[None], (1.0 - 2 * ((x + y) % 2))[None]])
    assert (tm.morans_i(maps) <= high + 1e-5).all()
    assert (tm.morans_i(maps) >= low - 1e-5).all()
    on_scale = tm.smoothness(maps)
    assert on_scale[:500].mean().item() == pytest.approx(0, abs=0.06)
    assert 0.8 < on_scale[500] <= 1 + 1e-5
    for of_one_cell in (lambda: tm.morans_range((1, 1)), lambda: tm.smoothness(maps[:, :1, :1])):
        with pytest.raises(ValueError, match="no neighbours"):
            of_one_cell()


def with_product(matrix, grid=(4, 4)):
    """Return a network whose W2 W1 is this matrix (S, S)."""
    net = small(image_size=(8 * grid[0], 8 * grid[1]), depth=1, token_dim=len(matrix))
    mlp = net.blocks[0].token_mixing
    mlp.fc1.weight.data, mlp.fc2.weight.data = torch.eye(len(matrix)), matrix
    return net


def circulant(kernel):
    h, w = kernel.shape
    matrix = torch.zeros(h, w, h, w)
    for row in range(h):
        for column in range(w):
            matrix[row, column] = kernel.roll((row, column), (0, 1))
    return matrix.reshape(h * w, h * w)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (6, 2), (1, 7)])
def test_a_circular_convolution_is_all_equivariant(grid):
    torch.manual_seed(0)
    matrix = circulant(torch.randn(grid))
    assert tm.equivariant_share(matrix, grid) == pytest.approx(1, abs=1e-5)
    # Its rows in another order are a convolution no more.
    assert tm.equivariant_share(matrix[torch.randperm(len(matrix))], grid) < 0.9


def test_equivariance_depends_on_the_grid_not_only_on_its_size():
    torch.manual_seed(0)
    assert tm.equivariant_share(circulant(torch.randn(3, 4)), (4, 3)) < 0.9


@pytest.mark.parametrize("grid", [(4, 4), (8, 8), (3, 5)])
def test_a_random_matrix_has_a_share_of_one_in_s(grid):
    torch.manual_seed(0)
    s = grid[0] * grid[1]
    shares = [tm.equivariant_share(torch.randn(s, s), grid) for _ in range(20)]
    assert sum(shares) / 20 == pytest.approx(1 / s, rel=0.2)


def test_share_takes_a_weight_that_is_being_trained():
    assert 0 < tm.equivariant_share(nn.Linear(16, 16).weight, (4, 4)) < 1


@pytest.mark.parametrize("shape", [(12, 12), (16, 9), (16,)])
def test_a_matrix_of_another_grid_is_refused(shape):
    with pytest.raises(ValueError, match=r"matrix of shape .* does not fit grid=\(4, 4\)"):
        tm.equivariant_share(torch.zeros(shape), (4, 4))


def test_a_convolution_with_zero_padding_has_a_padded_share_of_one():
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    units = torch.eye(12).view(12, 1, 3, 4)
    matrix = conv(units).detach().flatten(1).T  # (S, S): a column for each input token
    assert tm.padded_share(matrix, (3, 4)) == pytest.approx(1, abs=1e-5)
    assert tm.equivariant_share(matrix, (3, 4)) < 0.95  # it does not wrap around
    order = torch.randperm(12)
    assert tm.padded_share(matrix[order][:, order], (3, 4)) < 0.9
    shares = [tm.padded_share(torch.randn(12, 12), (3, 4)) for _ in range(40)]
    assert sum(shares) / 40 == pytest.approx(5 * 7 / 144, rel=0.1)


def test_identity_and_constant_are_convolutions_that_know_no_grid():
    generator = torch.Generator().manual_seed(0)
    trivial = 2 * torch.eye(16) - 0.3
    assert tm.equivariant_share(trivial, (4, 4)) == pytest.approx(1)
    assert tm.trivial_share(trivial) == pytest.approx(1)
    noisy = trivial + 0.3 * torch.randn(16, 16, generator=generator)
    assert tm.equivariant_share(noisy, (4, 4)) > 0.5
    chance = tm.structure(with_product(noisy), 0)["equivariant share"]
    assert abs(chance.above) < 0.05
    assert not chance.beyond_chance
    order = torch.randperm(16, generator=generator)
    assert tm.trivial_share(noisy[order][:, order]) == pytest.approx(tm.trivial_share(noisy))


def test_of_nothing_there_is_no_share():
    """0 / 0, said rather than passed on as NaN."""
    zero = torch.zeros(4, 4)
    for share in (
        lambda: tm.equivariant_share(zero, (2, 2)),
        lambda: tm.padded_share(zero, (2, 2)),
        lambda: tm.trivial_share(zero),
    ):
        with pytest.raises(ValueError, match=r"matrix is 0.*Fix: "):
            share()
    with pytest.raises(ValueError, match="two tokens or more"):
        tm.trivial_share(torch.ones(1, 1))
    with pytest.raises(ValueError, match=r"matrix has the shape \(2, 3\)\. Fix: .*\(S, S\)"):
        tm.trivial_share(torch.ones(2, 3))


@pytest.mark.parametrize("grid", [(1, 2), (2, 1)])
def test_maps_of_two_tokens_have_no_smoothness(grid):
    with pytest.raises(ValueError, match="three tokens"):
        tm.smoothness(torch.randn(3, *grid))
    assert tm.smoothness(torch.randn(3, 1, 3)).isfinite().all()


def test_a_convolution_is_beyond_chance():
    neighbours = torch.eye(16)
    for i in range(16):
        row, column = divmod(i, 4)
        neighbours[i, 4 * row + (column + 1) % 4] = -0.5
    chance = tm.structure(with_product(neighbours), 0)["equivariant share"]
    assert chance.value == pytest.approx(1)
    assert chance.beyond_chance
    assert chance.above > 0.1
    assert tm.trivial_share(neighbours) < 0.9


def test_relabelling_keeps_everything_but_the_grid():
    mixing = tm.token_mixing(small(), 0)
    moved = tm.relabelled(mixing, torch.Generator().manual_seed(0))
    before, after = (one.second @ one.first for one in (mixing, moved))
    assert not torch.allclose(before, after)
    for keep in (torch.trace, torch.sum, torch.linalg.matrix_norm):
        assert keep(before) == pytest.approx(keep(after).item(), rel=1e-4, abs=1e-5)
    assert torch.allclose(before.diagonal().sort()[0], after.diagonal().sort()[0], atol=1e-6)


def test_many_weak_hints_add_up():
    assert tm.combined_z([-2.0] * 4) == pytest.approx(-4)
    assert tm.combined_z([3.0, -3.0]) == 0


def test_pairs_are_disjoint_and_the_most_opposite_first():
    maps = torch.tensor([[1.0, 0], [-1, 0.1], [0, 1], [0.3, -1], [1, 1]]).view(5, 1, 2)
    assert tm.opposite_pairs(maps) == [(0, 1), (2, 3)]


def test_hdd_and_timm_agree_on_everything():
    net = small(image_size=(32, 48))
    twin, images = timm_twin(net), torch.randn(3, 3, 32, 48)
    for function in (unit_maps, tm.effective_mixing):
        assert torch.equal(function(net, -1), function(twin, -1))
    assert unit_maps(net, 0).shape == (12, 4, 6)
    assert torch.equal(tm.stem_filters(net), tm.stem_filters(twin))
    assert tm.structure(net, 1, draws=5) == tm.structure(twin, 1, draws=5)
    assert torch.allclose(*(tm.listening(n, 1, images) for n in (net, twin)), atol=1e-5)


def test_listening_is_the_jacobian():
    net = small()
    image = torch.randn(1, 3, 32, 32)
    x = net.patch_embedding(image).flatten(2).transpose(1, 2)
    exact, _ = influence_maps(net.blocks[0], x[0].detach())
    many = tm.listening(net, 0, image.expand(300, -1, -1, -1))  # a projection for each
    assert torch.allclose(many, exact / 4, rtol=0.25)  # sqrt(C) = 4
    assert all(p.grad is None for p in net.parameters())


def test_layers_that_are_not_there():
    with pytest.raises(ValueError, match=r"layer=2.*2 blocks"):
        unit_maps(small(), 2)
    with pytest.raises(ValueError, match="0 blocks"):
        unit_maps(nn.Linear(2, 2), 0)
    net = small()
    net.blocks[0] = nn.Identity()
    with pytest.raises(ValueError, match="no token-mixing MLP"):
        unit_maps(net, 0)
    with pytest.raises(ValueError, match="no other one"):
        tm.smallest_cosines(torch.ones(1, 2, 2))


def test_a_recorded_net_at_its_end_and_at_an_epoch():
    net = records.load_net("cifar10_patch8_seed0")
    early = records.load_net("cifar10_patch8_seed0", 0)
    assert not net.training
    assert net.grid == early.grid == (4, 4)
    assert not torch.equal(unit_maps(net, 0), unit_maps(early, 0))
    late = records.load_net("cifar10_patch8_seed0", 12)
    assert torch.equal(unit_maps(net, 0), unit_maps(late, 0))
    with pytest.raises(FileNotFoundError, match="epoch_0012"):
        records.load_net("cifar10_patch8_seed0", 3)
