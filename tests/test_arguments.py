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
from hdd.arguments import check_choice, check_integers, check_range, check_shape, checked
from hdd.data_util.batch_augmentation import (
    BatchAutoAugment,
    CutMix,
    equalize,
    random_crop_and_flip,
)
from hdd.dataset.image_tensors import (
    BatchLoader,
    ImageTensors,
    split_validation,
)
from hdd.dataset.loading import load
from hdd.device.utils import seed_everything
from hdd.models.baselines import build_baseline, build_network
from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp, MLPMixer
from hdd.models.learned_weights import smoothness, stem_filters
from hdd.models.nn_utils import count_macs
from hdd.models.resize_and_permute import patch_order, reorder_pixels, stretched
from hdd.models.token_mixers import Pooling, build_mixer
from hdd.tasks.look_up import look_up
from hdd.tasks.recursive_mixer import RecursiveNet, Training, solved, train
from hdd.tasks.routing import routing, train_routing
from hdd.tasks.sudoku import Puzzles, count_solutions, difficulty, eliminate, generate
from hdd.teaching.conclusions import holds
from hdd.teaching.exercises import check
from hdd.teaching.show import show_drawing, show_frames
from hdd.timing import interleaved
from hdd.train.classification_utils import evaluate
from hdd.train.intervals import half_width, summary
from hdd.train.muon import Muon, MuonAdamW
from hdd.train.records import load_net, load_run
from hdd.train.short_runs import fit, random_batches
from hdd.train.warmup_scheduler import GradualWarmupScheduler
from hdd.visualization.overview_drawings import predictions
from hdd.visualization.patch_drawings import plot_cutting, plot_windows
from hdd.visualization.recipe_drawings import averaged, noisy_path

IMAGES = torch.zeros(6, 3, 8, 8, dtype=torch.uint8)
DATA = ImageTensors(IMAGES, torch.arange(6) % 2, ("a", "b"), (0.5,) * 3, (0.2,) * 3)
LINEAR = nn.Linear(2, 2)
MIXER = MLPMixer(image_size=8, dim=4, depth=1)
SGD = torch.optim.SGD(LINEAR.parameters(), 0.1)
PUZZLES = Puzzles(torch.zeros(2, 36).byte(), torch.zeros(2, 36).byte())
NAN, HUGE = float("nan"), 10**30

# A call, the name of the argument that is wrong in it: of each kind of argument some, of each kind
# of mistake some. What is tried is what a reader may do: another type, a text for a number, a list,
# nothing at all, and numbers that cannot be.
WRONG = [
    (lambda: Mlp("4", 4), "features"),
    (lambda: Mlp(4, 4, dropout="x"), "dropout"),
    (lambda: MixerBlock(4, True, 4, 4), "dim"),
    (lambda: MixerBlock(4, 8, 0, 4), "token_dim"),
    (lambda: build_mixer("x"), "kind"),
    (lambda: build_network("GRU", (3, 8, 8), 4, dim=8, depth=1), "name"),
    (lambda: build_network("ViT", (3, 0, 8), 4, dim=8, depth=1), "input_shape"),
    (lambda: build_baseline("cnn", (3, 8, 8), None, strides=2), "strides"),
    (lambda: stem_filters(LINEAR), "net"),
    (lambda: smoothness(torch.zeros(4, 4)), "maps"),
    (lambda: patch_order((2, 2), 2, torch.zeros(4).long(), torch.randperm(4)), "tokens"),
    (lambda: reorder_pixels(torch.zeros(1, 1, 2, 2), torch.tensor(3)), "order"),
    (lambda: ImageTensors(IMAGES, [0] * 6, ("a",), (0.5,) * 3, (0.2,) * 3), "labels"),
    (
        lambda: ImageTensors(IMAGES, torch.zeros(6).long(), "ab", (0.5,) * 3, (1,) * 3),
        "class_names",
    ),
    (lambda: BatchLoader(DATA, 8, draws=HUGE), "draws"),
    (lambda: load("cifar100"), "name"),
    (lambda: CutMix(1.5, 10), "probability"),
    (lambda: seed_everything(-1), "seed"),
    (lambda: MuonAdamW(LINEAR, lr=NAN), "lr"),
    (lambda: MuonAdamW(LINEAR, weight_decay=-1), "weight_decay"),
    (lambda: GradualWarmupScheduler(SGD).step(10**12), "epoch"),
    (lambda: fit(LINEAR, iter([]), 0.1), "batches"),
    (lambda: random_batches(DATA, 0, 8), "steps"),
    (lambda: evaluate(LINEAR, DATA, "cpu"), "loader"),
    (lambda: evaluate(LINEAR, [], "cuda:9"), "device"),
    (lambda: fit(LINEAR, [], 0.1, device="cuda:9"), "device"),
    (lambda: half_width([1.0]), "values"),
    (lambda: load_run("nothing"), "name"),
    (lambda: look_up(3, torch.arange(17), torch.Generator()), "places"),
    (lambda: routing("spiral", (4, 4)), "kind"),
    (lambda: train_routing(LINEAR, torch.arange(2), optimizer="sgd"), "optimizer"),
    (lambda: train(RecursiveNet(), PUZZLES, Training(optimizer="lion")), "optimizer"),
    (lambda: generate(0, "test"), "count"),
    (lambda: generate(1, "test", givens=13), "givens"),
    (lambda: generate(1, "tests"), "split"),
    (lambda: check("77.1", None), "number"),
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
    (lambda: random_crop_and_flip(IMAGES[0]), "images"),
    (lambda: summary([]), "values"),
    (lambda: holds("a | b", torch.ones(2) > 0), "condition"),
    (lambda: Mlp(4, 4, dropout=torch.zeros(40)), "dropout"),
    (lambda: plot_windows(8, [3]), "kernels"),
    (lambda: load_run("x" * 5000), "name"),
    (lambda: load_net("cifar10_patch8_seed0", epoch=-1), "epoch"),
    (lambda: ImageTensors(IMAGES, DATA.labels, ("a",), DATA.mean, DATA.std), "class_names"),
    (lambda: ImageTensors(IMAGES, DATA.labels, ("a", "b"), DATA.mean, (0.2,)), "std"),
    (lambda: equalize(IMAGES.float()), "images"),
    (lambda: difficulty(PUZZLES.givens[:, :6]), "puzzles"),
    (lambda: count_solutions(torch.tensor(3)), "puzzle"),
    (lambda: plot_cutting(torch.zeros(4, 4), 3), "patch_size"),
    (lambda: MLPMixer(dim=10**6), "dim"),
    (lambda: MLPMixer(image_size=2**20, patch_size=1), "image_size"),
    (lambda: MLPMixer(token_dim=10**9), "token_dim"),
    (lambda: noisy_path(torch.tensor(1.0), 0.1, 0.1, 0), "shares"),
    (lambda: averaged(torch.tensor(1.0), 0.9), "path"),
    (lambda: Muon([], 0.1, 0.1), "matrices"),
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
    *("Chance", "Mixing", "Puzzles", "Rules", "TokenMixing", "Training"),
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
    for wrong in (
        lambda: check_integers(0, 5, a=6),
        lambda: check_range(0, 1, a=NAN),
        lambda: check_choice("ab", a="c"),
        lambda: check_shape("(S, S)", a=Tensor()),
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
