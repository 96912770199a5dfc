import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hdd
from hdd.arguments import (
    check_choice,
    check_integers,
    check_range,
    check_shape,
    check_whole,
    checked,
)
from hdd.data_util.batch_augmentation import (
    BatchAugmentation,
    BatchAutoAugment,
    CutMix,
    equalize,
    random_crop_and_flip,
    sharpen,
)
from hdd.dataset.image_folder import load_image_folder
from hdd.dataset.image_tensors import (
    BatchLoader,
    ImageTensors,
    channel_statistics,
    split_validation,
)
from hdd.dataset.loading import load
from hdd.device.utils import get_amp_dtype, seed_everything
from hdd.models.baselines import build_baseline, build_network
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp, MLPMixer
from hdd.models.cnn.timm_twin import timm_twin
from hdd.models.learned_weights import (
    cosines,
    equivariant_share,
    morans_range,
    padded_share,
    smoothness,
    stem_filters,
    structure,
    trivial_share,
)
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.models.resize_and_permute import (
    block_diagonal,
    patch_order,
    permuted_twin,
    reorder_pixels,
    stretched,
)
from hdd.models.token_mixers import Block, Pooling, SelfAttention, TokenMlp, build_mixer
from hdd.tasks.look_up import look_up
from hdd.tasks.recursive_mixer import RecursiveNet, Training, rules, solved, train
from hdd.tasks.routing import TokenMixingOnly, routing, train_routing, train_task
from hdd.tasks.sharing import Toeplitz
from hdd.tasks.sudoku import (
    Puzzles,
    candidates,
    count_solutions,
    cycles,
    difficulty,
    disguised,
    eliminate,
    generate,
    rounds_of_singles,
    symmetries,
)
from hdd.tasks.token_net import TokenNet
from hdd.teaching.conclusions import holds
from hdd.teaching.exercises import check, hints
from hdd.teaching.show import show_drawing, show_frames, show_table
from hdd.timing import interleaved
from hdd.train.checkpoint import save_weights
from hdd.train.classification_utils import evaluate, predict
from hdd.train.intervals import difference, half_width, holm, summary
from hdd.train.muon import Muon, MuonAdamW
from hdd.train.processes import Shard
from hdd.train.recipe import Recipe
from hdd.train.records import load_net, load_run, load_runs, save_run, values_at
from hdd.train.run import average_of
from hdd.train.schedule import cosine_by_epoch, warmup_cosine
from hdd.train.short_runs import fit, random_batches
from hdd.train.warmup_scheduler import GradualWarmupScheduler
from hdd.visualization.look_up_drawings import plot_task
from hdd.visualization.overview_drawings import predictions
from hdd.visualization.patch_drawings import plot_cutting, plot_windows
from hdd.visualization.recipe_drawings import averaged, noisy_path
from hdd.visualization.unit_drawings import plot_products

IMAGES = torch.zeros(6, 3, 8, 8, dtype=torch.uint8)
DATA = ImageTensors(IMAGES, torch.arange(6) % 2, ("a", "b"), (0.5,) * 3, (0.2,) * 3)
LINEAR = nn.Linear(2, 2)
MIXER = MLPMixer(image_size=8, dim=4, depth=1)
POOLING = build_mixer("pooling", image_size=8, dim=4, depth=1)
SGD = torch.optim.SGD(LINEAR.parameters(), 0.1)
PUZZLES = Puzzles(torch.zeros(2, 36).byte(), torch.zeros(2, 36).byte())
NET, TOKENS = RecursiveNet(dim=8, recursions=2), TokenMixingOnly(12, 4)
ROWS = [{"a": "x", "b": 0.5}]
NAN, HUGE = float("nan"), 10**30

# A call, the name of the argument that is wrong in it: of each kind of argument some, of each kind
# of mistake some. What is tried is what a reader may do: another type, a text for a number, a list,
# nothing at all, and numbers that cannot be.
WRONG = [
    (lambda: Mlp("4", 4), "features"),
    (lambda: Mlp(4, 4, dropout="x"), "dropout"),
    (lambda: MixerBlock(4, True, 4, 4), "dim"),
    (lambda: MixerBlock(4, 8, 0, 4), "token_dim"),
    (lambda: TokenMixingOnly(4.0, 2), "tokens"),
    (lambda: build_mixer("x"), "kind"),
    (lambda: build_mixer("pooling", depth=HUGE), "depth"),
    (lambda: build_network("GRU", (3, 8, 8), 4, dim=8, depth=1), "name"),
    (lambda: build_network("ViT", (8, 8), 4, dim=8, depth=1), "input_shape"),
    (lambda: build_network("ViT", (3, 0, 8), 4, dim=8, depth=1), "input_shape"),
    (lambda: build_baseline("vit", (3, 8, 8), 4, width=10), "width"),
    (lambda: build_baseline("vit", (3, 8, 8), None), "patch_size"),
    (lambda: build_baseline("cnn", (3, 8, 8), None, depth=-1), "depth"),
    (lambda: build_baseline("vit", (3, 8, 8), 4, depth=10**9), "depth"),
    (lambda: build_baseline("cnn", (3, 8, 8), None, strides=2), "strides"),
    (lambda: count_trainable_parameter([LINEAR]), "net"),
    (lambda: count_macs(LINEAR, 2), "input_shape"),
    (lambda: stem_filters(LINEAR), "net"),
    (lambda: smoothness([[1.0, 2.0]]), "maps"),
    (lambda: smoothness(torch.zeros(4, 4)), "maps"),
    (lambda: structure(LINEAR, 0.5), "layer"),
    (lambda: patch_order((2, 2), 2, torch.zeros(4).long(), torch.randperm(4)), "tokens"),
    (lambda: reorder_pixels(torch.zeros(1, 1, 2, 2), torch.tensor(3)), "order"),
    (lambda: stretched(None, 2), "net"),
    (lambda: ImageTensors(IMAGES, [0] * 6, ("a",), (0.5,) * 3, (0.2,) * 3), "labels"),
    (
        lambda: ImageTensors(IMAGES, torch.zeros(6).long(), "ab", (0.5,) * 3, (1,) * 3),
        "class_names",
    ),
    (lambda: BatchLoader(DATA, "8"), "batch_size"),
    (lambda: BatchLoader(DATA, 8, augment=True), "augment"),
    (lambda: BatchLoader(DATA, 8, draws=HUGE), "draws"),
    (lambda: BatchLoader(IMAGES, 8), "data"),
    (lambda: split_validation(DATA, "0.1"), "fraction"),
    (lambda: split_validation(DATA, 0.5, seed="0"), "seed"),
    (lambda: load("cifar100"), "name"),
    (lambda: load("cifar10", 3), "root"),
    (lambda: BatchAugmentation(padding=-1), "padding"),
    (lambda: BatchAugmentation(auto_augment="no"), "auto_augment"),
    (lambda: CutMix(1.5, 10), "probability"),
    (lambda: CutMix(0.5, None), "num_classes"),
    (lambda: get_amp_dtype("gpu"), "device"),
    (lambda: seed_everything(-1), "seed"),
    (lambda: MuonAdamW(LINEAR, lr="0.1"), "lr"),
    (lambda: MuonAdamW(LINEAR, lr=NAN), "lr"),
    (lambda: MuonAdamW(LINEAR, weight_decay=-1), "weight_decay"),
    (lambda: GradualWarmupScheduler(LINEAR), "optimizer"),
    (lambda: GradualWarmupScheduler(SGD, 1.0, 5, "cosine"), "after_scheduler"),
    (lambda: GradualWarmupScheduler(SGD).step(10**12), "epoch"),
    (lambda: warmup_cosine("0", 10), "step"),
    (lambda: fit(LINEAR, "batches", 0.1), "batches"),
    (lambda: fit(LINEAR, iter([]), 0.1), "batches"),
    (lambda: fit(LINEAR, [], 0.1, criteria="mse"), "criteria"),
    (lambda: fit(LINEAR, [], 0.1, weight_decay=-1), "weight_decay"),
    (lambda: random_batches(DATA, 0, 8), "steps"),
    (lambda: evaluate(LINEAR, DATA, "cpu"), "loader"),
    (lambda: evaluate(LINEAR, [], 0.5), "device"),
    (lambda: evaluate(LINEAR, [], "tpu"), "device"),
    (lambda: evaluate(LINEAR, [], "cuda:9"), "device"),
    (lambda: fit(LINEAR, [], 0.1, device="cuda:9"), "device"),
    (lambda: half_width(3), "values"),
    (lambda: half_width([1.0]), "values"),
    (lambda: difference([1.0, 2.0], ["a", "b"]), "second"),
    (lambda: load_run("nothing"), "name"),
    (lambda: load_runs(""), "prefix"),
    (lambda: load_net("x", epoch="3"), "epoch"),
    (lambda: look_up(3, torch.arange(17), torch.Generator()), "places"),
    (lambda: look_up(3, [1, 2], torch.Generator()), "places"),
    (lambda: look_up(3, torch.arange(1, 3), 0), "generator"),
    (lambda: routing("shift", 4), "grid"),
    (lambda: routing("spiral", (4, 4)), "kind"),
    (lambda: train_routing(LINEAR, torch.arange(2), optimizer="sgd"), "optimizer"),
    (lambda: RecursiveNet(dim="48"), "dim"),
    (lambda: train(RecursiveNet(), PUZZLES, Training(batch=-7)), "batch"),
    (lambda: train(RecursiveNet(), PUZZLES, Training(reveal=torch.ones(2))), "reveal"),
    (lambda: train(RecursiveNet(), PUZZLES, Training(optimizer="lion")), "optimizer"),
    (lambda: generate(0, "test"), "count"),
    (lambda: generate(1, "test", givens=13), "givens"),
    (lambda: generate(1, "tests"), "split"),
    (lambda: holds(3, True), "name"),
    (lambda: check(2.1, None), "number"),
    (lambda: check("77.1", None), "number"),
    (lambda: show_table([], 3), "caption"),
    (lambda: interleaved({}, 0), "rounds"),
    (lambda: list(BatchLoader(DATA, 8, augment=len)), "augment"),
    (lambda: GradualWarmupScheduler(SGD).step({}), "epoch"),
    (lambda: GradualWarmupScheduler(SGD).step(0.5), "epoch"),
    (lambda: GradualWarmupScheduler(SGD).load_state_dict(SGD.state_dict()), "state_dict"),
    (lambda: MuonAdamW(LINEAR).load_state_dict(SGD.state_dict()), "state_dict"),
    (lambda: MuonAdamW(LINEAR).add_param_group({"params": SGD.param_groups}), "param_group"),
    (lambda: MIXER([1]), "images"),
    (lambda: MIXER(IMAGES), "images"),
    (lambda: MIXER(IMAGES.double()), "images"),
    (lambda: MIXER(IMAGES[:, :, 1:].float()), "images"),
    (lambda: MIXER(torch.zeros(1, 3, 8, 8, device="meta")), "images"),
    (lambda: DATA.normalize(IMAGES / 255), "images"),
    (lambda: DATA.normalize(IMAGES[:, :1]), "images"),
    (lambda: DATA.subset([0]), "indices"),
    (lambda: DATA.subset(torch.tensor([6])), "indices"),
    (lambda: DATA.subset(torch.ones(5) > 0), "indices"),
    (lambda: DATA.to("cuda:9"), "device"),
    (lambda: DATA.to("xpu:9"), "device"),
    (lambda: BatchAutoAugment()([IMAGES]), "images"),
    (lambda: CutMix(0.5, 2)(IMAGES[0], DATA.labels), "images"),
    (lambda: CutMix(0.5, 2)(IMAGES, [0] * 6), "labels"),
    (lambda: CutMix(0.5, 2)(*CutMix(0.5, 2)(IMAGES, DATA.labels)), "labels"),
    (lambda: fit(nn.Identity(), BatchLoader(DATA, 8), 0.1), "net"),
    (lambda: count_macs(nn.Identity(), (3, 8, 8)), "net"),
    (lambda: count_macs(MIXER, (1, 8, 8)), "input_shape"),
    (lambda: train_routing(LINEAR, torch.tensor([0, 2])), "source"),
    (lambda: eliminate(torch.ones(36, 6) > 0), "possible"),
    (lambda: stretched(MIXER, 10**6), "factor"),
    (lambda: predictions(torch.zeros(1, 2), torch.zeros(1).long(), ["a"]), "names"),
    (lambda: Pooling(torch.zeros(2, device="meta"), 8), "grid"),
    (lambda: show_drawing("no.png", "no.png", "图 | picture"), "chinese"),
    (lambda: show_frames([], [1], "图 | picture"), "labels"),
    (lambda: average_of(LINEAR, 3), "decay"),
    (lambda: random_crop_and_flip(IMAGES[0]), "images"),
    (lambda: random_crop_and_flip(IMAGES, "4"), "padding"),
    (lambda: channel_statistics(IMAGES.float()), "images"),
    (lambda: Pooling((0, 4), 8), "grid"),
    (lambda: SelfAttention((2, 2), -4), "dim"),
    (lambda: Block(LINEAR, 8, 0), "channel_dim"),
    (lambda: TokenNet(2, 2, 4, ["block"]), "blocks"),
    (lambda: cosines(torch.zeros(3)), "maps"),
    (lambda: permuted_twin(LINEAR, torch.arange(4), torch.arange(4)), "net"),
    (lambda: predict(LINEAR, torch.tensor(3), "cpu"), "loader"),
    (lambda: summary([]), "values"),
    (lambda: holds("a | b", torch.ones(2) > 0), "condition"),
    (lambda: Mlp(4, 4, dropout=torch.zeros(40)), "dropout"),
    (lambda: plot_windows(8, [3]), "kernels"),
    (lambda: load_run("x" * 5000), "name"),
    (lambda: load_net("cifar10_patch8_seed0", epoch=-1), "epoch"),
    (lambda: Shard([], 0, 2), "loader"),
    (lambda: ImageTensors(IMAGES, DATA.labels, ("a",), DATA.mean, DATA.std), "class_names"),
    (lambda: ImageTensors(IMAGES, DATA.labels, ("a", "b"), DATA.mean, (0.2,)), "std"),
    (lambda: Recipe(auto_augment=IMAGES), "auto_augment"),
    (lambda: equalize(IMAGES.float()), "images"),
    (lambda: difficulty(PUZZLES.givens[:, :6]), "puzzles"),
    (lambda: count_solutions(torch.tensor(3)), "puzzle"),
    (lambda: plot_cutting(torch.zeros(4, 4), 3), "patch_size"),
    (lambda: plot_products(torch.ones(3, 4), torch.ones(3, 4), 4), "token"),
    (lambda: MLPMixer(dim=10**6), "dim"),
    (lambda: MLPMixer(depth=10**9), "depth"),
    (lambda: MLPMixer(image_size=2**20, patch_size=1), "image_size"),
    (lambda: MLPMixer(token_dim=10**9), "token_dim"),
    (lambda: noisy_path(torch.tensor(1.0), 0.1, 0.1, 0), "shares"),
    (lambda: plot_task("x", torch.zeros(4, 4)), "x"),
    (lambda: averaged(torch.tensor(1.0), 0.9), "path"),
    (lambda: Muon([], 0.1, 0.1), "matrices"),
    (lambda: train(NET, PUZZLES, Training()), "puzzles"),
    (lambda: train(NET, PUZZLES[:0], Training()), "puzzles"),
    (lambda: train(NET, Puzzles(*(field[0] for field in PUZZLES)), Training()), "givens"),
    (lambda: NET(torch.zeros(1, 81).byte()), "puzzles"),
    (lambda: NET(torch.full((1, 36), 7)), "puzzles"),
    (lambda: NET(PUZZLES.givens, 0), "recursions"),
    (lambda: NET(PUZZLES.givens, recursions=-1), "recursions"),
    (lambda: solved(NET, Puzzles(*(torch.zeros(2, 81).byte() for _ in range(2)))), "puzzles"),
    (lambda: rules(torch.eye(36)), "matrix"),
    (lambda: holm([0.5, 1.5]), "p_values"),
    (lambda: holm([-0.1]), "p_values"),
    (lambda: holm([0.5, NAN]), "p_values"),
    (lambda: trivial_share(torch.ones(2, 3)), "matrix"),
    (lambda: trivial_share(torch.ones(1, 1)), "matrix"),
    (lambda: trivial_share(torch.zeros(4, 4)), "matrix"),
    (lambda: equivariant_share(torch.zeros(4, 4), (2, 2)), "matrix"),
    (lambda: padded_share(torch.zeros(4, 4), (2, 2)), "matrix"),
    (lambda: smoothness(torch.zeros(3, 1, 2)), "maps"),
    (lambda: morans_range((-2, -3)), "grid"),
    (lambda: holds("甲 | a", NAN), "condition"),
    (lambda: holds("甲 | a", 1), "condition"),
    (lambda: holds("甲 | a", torch.tensor(0.5)), "condition"),
    (lambda: holds("abc", True), "name"),
    (lambda: check("2.1", len), "number"),
    (lambda: hints("2.1"), "number"),
    (lambda: count_solutions(PUZZLES.givens[0].float()), "puzzle"),
    (lambda: count_solutions(PUZZLES.givens[0], limit=-1), "limit"),
    (lambda: symmetries(torch.tensor([99999])), "numbers"),
    (lambda: symmetries(torch.tensor([-1])), "numbers"),
    (lambda: symmetries(torch.tensor(1)), "numbers"),
    (lambda: cycles(torch.full((1, 81), 9)), "some"),
    (lambda: cycles(torch.zeros(1, 81).byte()), "some"),
    (lambda: disguised(Puzzles(*(field[0] for field in PUZZLES)), torch.Generator()), "givens"),
    (
        lambda: disguised(PUZZLES._replace(solutions=PUZZLES.givens[:1]), torch.Generator()),
        "solutions",
    ),
    (lambda: eliminate(torch.ones(1, 36, 6)), "possible"),
    (lambda: candidates(torch.full((1, 36), 7)), "puzzles"),
    (lambda: rounds_of_singles(torch.full((1, 81), 10)), "puzzles"),
    (lambda: look_up(2, torch.tensor([1.0, 2.0]), torch.Generator()), "places"),
    (lambda: look_up(2, torch.tensor([0]), torch.Generator()), "places"),
    (lambda: train_task(TOKENS, 6, lambda x: x), "tokens"),
    (lambda: train_task(nn.Identity(), 6, lambda x: x), "net"),
    (lambda: train_task(TOKENS, 12, lambda x: x[:, :1]), "task"),
    (lambda: Toeplitz(4)(torch.zeros(2, 5, 3)), "x"),
    (lambda: TokenNet(2, 2, 4, [], positions=3)(torch.zeros(1, 5, 2)), "x"),
    (lambda: show_table(ROWS, "表 | table", {"b": -1}), "digits"),
    (lambda: show_table(ROWS, "表 | table", {"b": 1.5}), "digits"),
    (lambda: show_table(ROWS, "表 | table", {"c": 1}), "digits"),
    (lambda: show_table(ROWS, "表 | table", "q"), "digits"),
    (lambda: show_drawing(__file__, __file__, "图 | picture"), "chinese"),
    (lambda: timm_twin(POOLING), "net"),
    (lambda: FusedMixer(POOLING, torch.float32), "net"),
    (lambda: block_diagonal(POOLING, 2), "net"),
    (lambda: stretched(POOLING, 2), "net"),
    (lambda: permuted_twin(POOLING, torch.arange(4), torch.arange(16)), "net"),
    (lambda: permuted_twin(MIXER, torch.arange(4.0), torch.arange(16)), "tokens"),
    (lambda: patch_order((2, 2), 2, torch.arange(4), torch.arange(4) > 0), "pixels"),
    (lambda: patch_order((-2, -2), 2, torch.arange(4), torch.arange(4)), "grid"),
    (lambda: TokenMlp((2, 2), 8, 0), "hidden"),
    (lambda: DATA.subset(torch.ones(6, 1) > 0), "indices"),
    (lambda: DATA.to("meta"), "device"),
    (lambda: ImageTensors(IMAGES, DATA.labels > 0, ["a", "b"], DATA.mean, DATA.std), "labels"),
    (lambda: list(BatchLoader(DATA, 8, mix=lambda images, _: images)), "mix"),
    (lambda: sharpen(torch.rand(1, 1, 4, 4), 1.0), "images"),
    (lambda: evaluate(MIXER, BatchLoader(DATA, 6, mix=CutMix(0, 10)), "cpu"), "labels"),
    (lambda: fit(MIXER, BatchLoader(DATA, 6), 0.1, criteria=nn.CrossEntropyLoss), "criteria"),
    (lambda: predict(MIXER, BatchLoader(DATA, 6), "cpu", torch.int8), "amp_dtype"),
    (lambda: warmup_cosine(-5, 10, 2), "step"),
    (lambda: cosine_by_epoch(6, 0), "epochs"),
    (lambda: load_image_folder(".", (0, 0), fit=True), "image_size"),
    (lambda: load_image_folder("~nosuchuser"), "folder"),
    (lambda: load_runs("/etc"), "prefix"),
    (lambda: load_runs("a**"), "prefix"),
    (lambda: values_at({"a": 1}, ["b"]), "path"),
    (lambda: save_run("../q", {}, "cpu"), "name"),
    (lambda: save_run("q", {"a": NAN}, "cpu"), "content"),
    (lambda: save_run("q", {}, "gpu"), "device"),
    (lambda: save_weights("x", MIXER, ["y"]), "names"),
]


def test_what_no_memory_can_hold_is_named():
    with pytest.raises(MemoryError, match=r"width=1000000000.* more memory .*Fix: smaller"):
        build_baseline("cnn", (3, 8, 8), None, width=10**9)


@pytest.mark.parametrize(("call", "name"), WRONG)
def test_a_wrong_argument_is_named_with_a_fix(call, name):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        call()
    message = str(error.value)
    assert name in message.partition("Fix:")[0]
    assert "Fix: " in message
    assert "\n" not in message


# Parts of others, which have checked already, and what is only kept.
INTERNAL = {
    *("as_device", "channel_width", "check_classes", "damaged", "draw_grid", "draw_slopes"),
    *("files_below", "keep", "kind_of", "mosaic", "orthogonal", "read_checkpoint"),
    *("reevaluate", "save_checkpoint", "show_maps", "to_json", "draw_table", "main", "write"),
    *("arrow", "conclusions_in", "paper"),
    *("Chance", "Mixing", "Pair", "Puzzles", "Rules", "TokenMixing", "Training"),
}
ROOMS = (
    *("data_util", "dataset", "device", "models", "tasks", "timing", "visualization"),
    *("teaching.conclusions", "teaching.show", "train.checkpoint", "train.intervals"),
    *("train.classification_utils", "train.muon", "train.recipe", "train.records", "train.run"),
    *("train.schedule", "train.short_runs", "train.warmup_scheduler"),
)


def what_readers_call():
    """Yield every function and class of the rooms that takes something, and what it takes."""
    for found in pkgutil.walk_packages(hdd.__path__, "hdd."):
        if not found.name.removeprefix("hdd.").startswith(ROOMS):
            continue
        module = importlib.import_module(found.name)
        for name, one in vars(module).items():
            ours = callable(one) and getattr(one, "__module__", "") == found.name
            if not ours or name[0] == "_" or name in INTERNAL:
                continue
            taken = [
                n for n, p in inspect.signature(one).parameters.items() if p.kind not in (2, 4)
            ]
            if taken:
                yield pytest.param(one, taken, id=f"{found.name}.{name}")


@pytest.mark.parametrize(("one", "taken"), list(what_readers_call()))
def test_nothing_that_readers_call_takes_just_anything(one, taken):
    with pytest.raises(ValueError, match="Fix: ") as error:
        one(**{name: object() for name in taken})
    assert any(name in str(error.value).partition("Fix:")[0] for name in taken)


@checked
def call(
    net: nn.Module | None = None,
    pair: tuple[int, int] = (1, 2),
    numbers: "list[float]" = (),
    seed: int = 0,
    path: str | Path = "",
    **options: int,
) -> tuple:
    """Say what came in."""
    return net, pair, numbers, seed, path, options


def test_what_fits_is_passed_on():
    assert call(LINEAR, [3, 4], (0.5, 1), 7, Path("x"), more="any")[1:] == (
        [3, 4], (0.5, 1), 7, Path("x"), {"more": "any"},
    )  # fmt: skip
    assert call(pair=torch.Size([3, 4]))[1] == (3, 4)
    assert list(call(numbers=np.array([1.5, 2.0]))[2]) == [1.5, 2.0]
    assert call(numbers=torch.ones(2))[2].tolist() == [1.0, 1.0]


def test_numpy_s_numbers_become_python_s():
    assert type(call(seed=np.int64(3))[3]) is int
    assert torch.equal(*(generate(1, "test", seed=s).givens for s in (3, np.int64(3))))
    assert summary(torch.tensor([1, 2])) == summary(np.array([1, 2])) == summary([1, 2])


@pytest.mark.parametrize("seed", [True, 1.0, "1", None, [1], NAN, HUGE, torch.tensor([1, 2])])
def test_what_does_not_fit_is_shown_in_one_line(seed):
    with pytest.raises(ValueError, match=r"^seed=.+ must be a whole number\. Fix: seed=1\.$"):
        call(seed=seed)


class TheirPuzzles(NamedTuple):
    """As a class is after %autoreload: with the same name elsewhere, but another one."""

    givens: Tensor
    solutions: Tensor


class TheirNet(nn.Module):
    recursions = 1

    def forward(self, puzzles, recursions):
        return torch.zeros(1, *puzzles.shape, 6)


def test_a_class_of_ours_may_be_made_anew_or_written_by_the_reader():
    assert solved(TheirNet(), TheirPuzzles(*PUZZLES)).all()
    with pytest.raises(ValueError, match=r"puzzles=.* must be of the type Puzzles\. Fix: "):
        solved(TheirNet(), (PUZZLES.givens, PUZZLES.solutions))


def test_every_item_of_a_list_must_fit():
    for pair in ((1, 2, 3), (1, "2"), 3, "12"):
        with pytest.raises(ValueError, match=r"pair=.* must be 2 values, each a whole number"):
            call(pair=pair)


def test_python_s_own_messages_stay():
    with pytest.raises(TypeError, match=r"interleaved.*rounds"):
        interleaved({})
    with pytest.raises(TypeError, match="fraktion"):
        split_validation(DATA, fraktion=0.1)


def test_help_shows_the_function_itself():
    assert "givens: tuple[int, ...]" in str(inspect.signature(generate))
    assert generate.__doc__.startswith("Return `count` puzzles")


def test_bounds_and_shapes():
    check_integers(0, 5, a=0, b=5)
    check_range(0, 1, a=0.0, b=1)
    check_choice("ab", kind="a")
    check_shape("(D, h, w)", maps=torch.zeros(1, 2, 3))
    check_shape("(S, S)", maps=torch.zeros(3, 3))
    check_whole(0, 5, a=torch.tensor([[0], [5]]), b=torch.zeros(0, dtype=torch.uint8))
    for wrong in (
        lambda: check_integers(0, 5, a=6),
        lambda: check_range(0, 1, a=NAN),
        lambda: check_choice("ab", a="c"),
        lambda: check_shape("(S, S)", a=Tensor()),
        lambda: check_shape("(S, S)", a=torch.zeros(2, 3)),
        lambda: check_shape("(2, 2)", a=torch.zeros(3, 2)),
        lambda: check_shape("(N, S)", a=torch.zeros(2, 3, 4)),
        lambda: check_whole(0, 5, a=torch.tensor([0, 6])),
        lambda: check_whole(0, 5, a=torch.tensor([-1])),
        lambda: check_whole(0, 5, a=torch.ones(2) > 0),
    ):
        with pytest.raises(ValueError, match=r"\ba\b.*Fix: "):
            wrong()


def test_an_error_of_the_code_passes_unchanged():
    @checked
    def build(size: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match") as error:
        build(2)
    assert error.value.__cause__ is None
