"""A knob acts, or it is refused by name: every run of a recipe is the run that it describes."""

import dataclasses
import hashlib
import itertools
import math
import random
import re

import numpy as np
import pytest
import torch
from torch import nn

from hdd.dataset.image_tensors import ImageTensors
from hdd.device.utils import get_amp_dtype
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter
from hdd.train import run as engine
from hdd.train.recipe import BASELINES, CHOICES, Recipe
from hdd.train.run import Run

KNOBS = [knob.name for knob in dataclasses.fields(Recipe)]
IMAGES = torch.randint(
    256, (32, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)
DATA = ImageTensors(IMAGES, torch.arange(32) % 4, tuple("abcd"), (0.5,) * 3, (0.3,) * 3)
# A run of a moment, whatever else is drawn.
SMALL = {"dim": 8, "depth": 1, "batch_size": 16, "epochs": 2, "validation": 0.0}
SMALL |= {"weight_average": 0.0, "cutmix": 0.0, "auto_augment": False}
# Of each knob: values that a run of this size can tell apart, and one that is wrong.
DRAWN = {
    "dataset": (["cifar10", "fashion_mnist_mini"], "imagenet"),
    "model": (list(CHOICES["model"]), "rnn"),
    "patch_size": ([2, 4, 8], 2.0),
    "dim": ([1, 4, 8, 12], 0),
    "depth": ([1, 2], True),
    "expansion_factor_token": ([0.5, 1.0, 2], "2"),
    "epochs": ([1, 2, 6], math.inf),
    "batch_size": ([1, 8, 16, 32, 33, 40], -8),
    "optimizer": (list(CHOICES["optimizer"]), "sgd"),
    "lr": ([1e-6, 1e-2, 1000], "0.1"),
    "weight_decay": ([0, 1.0, 3.0], math.nan),
    "adamw_lr": ([1e-3, 1e-2], 0),
    "schedule": (list(CHOICES["schedule"]), "document"),
    "warmup_epochs": ([0, 0.01, 0.5, 1.0], -1),
    "label_smoothing": ([0.0, 0.1, 0.5], 1),
    "auto_augment": ([True, False], "no"),
    "crop_padding": ([0, 2, 4], 65),
    "cutmix": ([0, 0.5, 1], 1.5),
    "weight_average": ([0.0, 0.1, 0.2], None),
    "validation": ([0.0, 0.25, 0.5], 1.0),
    "seed": ([0, 1, 2**31], 0.0),
    "precision": (["auto", "float32"], "float16"),
}


def test_every_knob_is_drawn():
    assert list(DRAWN) == KNOBS


def drawn(number):
    """Return a random recipe's arguments, and for each knob drawn those of another recipe.

    One value in twelve is wrong. In the other recipe the knob is left out, or, where it keeps the
    run small, drawn again.
    """
    dice = random.Random(number)
    names = dice.sample(KNOBS, dice.randint(2, 6))
    values = {n: DRAWN[n][1] if dice.random() < 1 / 12 else dice.choice(DRAWN[n][0]) for n in names}
    small = dict(SMALL)
    if values.get("model") == "cnn":
        small["optimizer"] = "adam"
    if values.get("schedule") == "cosine-by-epoch":
        small["epochs"] = 6
    arguments = {**small, **values}
    others = {}
    for name in names:
        others[name] = {k: v for k, v in arguments.items() if k != name}
        if name in SMALL:
            others[name][name] = dice.choice(DRAWN[name][0])
    return arguments, others


def outcome(monkeypatch, recipe):
    """Return a digest of all that a run leaves, and of the choices that this machine may merge."""
    other = dataclasses.replace(DATA, images=255 - DATA.images)
    sets = {"cifar10": DATA}
    monkeypatch.setattr(engine, "load", lambda name, root: (sets.get(name, other), DATA))
    run = Run(recipe, torch.device("cpu"), "")
    run.finish()
    digest = hashlib.sha256(str(run.amp_dtype).encode())
    for tensor in (*run.result.state_dict().values(), run.net(DATA.normalize(IMAGES[:4]))):
        digest.update(tensor.detach().double().numpy().tobytes())
    rest = {name: run.history[name] for name in ("train_loss", "learning_rate")}
    digest.update(repr((rest, run.history.get("val_loss"))).encode())
    return digest.hexdigest()


def tried(monkeypatch, arguments):
    """Return (recipe, its outcome), or None if it is refused: with a knob's name and a fix."""
    try:
        recipe = Recipe(**arguments)
        return recipe, outcome(monkeypatch, recipe)
    except (ValueError, FloatingPointError) as refused:  # the latter after a rate of 1000
        error = str(refused)
    assert set(re.findall(r"\w+", error)) & {*KNOBS}, error
    assert "Fix: " in error
    return None


@pytest.mark.parametrize("number", range(20))
def test_each_knob_changes_the_run_or_is_refused(monkeypatch, number):
    pytest.importorskip("timm")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    arguments, others = drawn(number)
    whole = tried(monkeypatch, arguments)
    if get_amp_dtype("cpu") == torch.float32:
        others.pop("precision", None)
    for knob, other in others.items() if whole else ():
        if another := tried(monkeypatch, other):
            recipes, outcomes = zip(whole, another, strict=True)
            assert (recipes[0] == recipes[1]) == (outcomes[0] == outcomes[1]), knob


@pytest.mark.parametrize("name", KNOBS)
def test_a_wrong_value_is_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"^{name}=.* must be .*Fix: {name}="):
        Recipe(**{name: DRAWN[name][1]})


@pytest.mark.parametrize("name", ["lr", "epochs", "model", "auto_augment"])
def test_a_value_of_another_kind_is_refused_by_name(name):
    for value in (torch.ones(2), np.ones(2), [1], {}, 1j, object(), b"1"):
        with pytest.raises(ValueError, match=rf"(?s)^{name}=.* must be .*Fix: {name}="):
            Recipe(**{name: value})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"optimizer": "adam", "weight_decay": 0.1}, "weight_decay=0.1 has no effect .*'adamw'"),
        (
            {"optimizer": "adam", "adamw_lr": 1e-3},
            "adamw_lr=0.001 has no .*`lr` is the rate",
        ),
        ({"optimizer": "adamw", "adamw_lr": 1e-3}, "adamw_lr=0.001 has no effect"),
        ({"model": "cnn", "optimizer": "adam", "patch_size": 4}, "patch_size=4 has no effect"),
        ({"model": "vit", "expansion_factor_token": 1}, "expansion_factor_token=1.0 has no effect"),
        ({"model": "token-mlp", "expansion_factor_token": 1}, "expansion_factor_token=1.0 has no"),
        ({"schedule": "cosine-by-epoch", "warmup_epochs": 1}, "warmup_epochs=1.0 has no effect"),
        ({"schedule": "cosine-by-epoch", "epochs": 5}, "epochs=5 .* Fix: epochs=6"),
        ({"epochs": 3, "warmup_epochs": 2}, "warmup_epochs=2.0 .* Fix: warmup_epochs=1.5"),
        ({"model": "cnn"}, "optimizer='muon'.*model='cnn'.*Fix: optimizer='adam'"),
        ({"model": "vit", "dim": 30}, "dim=30 .* Fix: dim=32"),
        ({"batch_size": 1}, "cutmix=0.25 .* Fix: cutmix=0"),
        ({"dim": 1}, "dim=1 .* Fix: dim=2"),
        ({"model": "hybrid", "depth": 1}, "depth=1 .*model='hybrid'.* Fix: depth=2"),
    ],
)
def test_what_has_no_effect_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**arguments)


@pytest.mark.parametrize(("side", "patch"), [(28, 4), (28, 2), (32, 2), (28, 28)])
def test_the_number_that_a_message_names_is_accepted(side, patch):
    images = torch.zeros(1, 1, side, side, dtype=torch.uint8)
    labels = torch.zeros(1, dtype=torch.long)
    data = ImageTensors(images, labels, ("a", "b"), (0.0,), (1.0,))
    small = {"patch_size": patch, "dim": 8, "depth": 1}
    with pytest.raises(ValueError, match="no hidden unit") as refused:
        Recipe(**small, expansion_factor_token=1e-5).network(data)
    named = float(re.search(r"expansion_factor_token=([\d.]+)\.$", str(refused.value))[1])
    assert Recipe(**small, expansion_factor_token=named).network(data)


@pytest.mark.parametrize(
    ("arguments", "images", "says"),
    [
        (
            {"batch_size": 41},
            40,
            "batch_size=41 is more than the 40 .*validation=0.02 leaves.* Fix: batch_size=40",
        ),
        ({"batch_size": 40, "epochs": 1}, 40, "batch_size=40 .* one step.*Fix: epochs=2"),
        (
            {"batch_size": 4, "warmup_epochs": 0.04},
            40,
            "warmup_epochs=0.04 .*batch_size=4 .*=0, or 0.1 and more",
        ),
    ],
)
def test_what_has_no_effect_on_so_few_images_is_refused(arguments, images, says):
    recipe = Recipe(**arguments)
    recipe.check_images(10_000)
    with pytest.raises(ValueError, match=says):
        recipe.check_images(images)


def test_one_token_without_a_hidden_unit_is_refused():
    with pytest.raises(
        ValueError, match=r"patch_size=8 .*factor_token=0\.5.* Fix: .*_token=1"
    ) as error:
        Recipe(patch_size=8, dim=8, depth=1).network(DATA)
    assert "token_dim" not in str(error.value)  # which no recipe has


def test_a_recipe_is_what_its_dict_says():
    names = ("model", "optimizer", "schedule")
    for choices in itertools.product(*(CHOICES[name] for name in names)):
        if choices[:2] != ("cnn", "muon"):
            recipe = Recipe(**dict(zip(names, choices, strict=True)))
            assert Recipe(**recipe.as_dict()) == recipe
            assert None not in recipe.as_dict().values()


def test_numbers_of_other_libraries_are_numbers():
    recipe = Recipe(lr=np.float32(0.5), epochs=np.int64(7), cutmix=1)
    assert (type(recipe.lr), type(recipe.epochs), type(recipe.cutmix)) == (float, int, float)


def test_the_default_is_the_documents_network():
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    data = dataclasses.replace(
        DATA, images=images, labels=torch.zeros(1).long(), class_names=tuple("abcdefghij")
    )
    assert count_trainable_parameter(Recipe().network(data)) == 1_099_146


@pytest.mark.parametrize("model", CHOICES["model"])
def test_a_network_has_as_many_outputs_as_classes(model):
    pytest.importorskip("timm")
    optimizer = "adam" if model == "cnn" else "muon"
    net = Recipe(model=model, optimizer=optimizer, dim=8, depth=2).network(DATA)
    assert net(DATA.normalize(IMAGES[:2])).shape == (2, 4)


@pytest.mark.parametrize("model", BASELINES)
def test_dim_and_depth_are_those_of_the_baselines(model):
    pytest.importorskip("timm")
    sizes = [{"dim": d, "depth": n} for d, n in [(8, 1), (16, 1), (8, 2)]]
    counts = [
        count_trainable_parameter(Recipe(model=model, optimizer="adam", **s).network(DATA))
        for s in sizes
    ]
    assert len(set(counts)) == 3


class TestOptimizer:
    @pytest.fixture
    def net(self):
        return MLPMixer(image_size=8, patch_size=4, dim=8, depth=1)

    def test_lr_is_the_rate_of_whichever_is_chosen(self, net):
        for optimizer in CHOICES["optimizer"]:
            groups = Recipe(optimizer=optimizer, lr=0.5).build_optimizer(net).param_groups
            assert groups[0]["lr"] == 0.5

    @pytest.mark.parametrize("optimizer", ["muon", "adamw"])
    def test_decay_shrinks_weights_and_leaves_biases_and_gains(self, net, optimizer):
        recipe = Recipe(optimizer=optimizer, lr=0.1, weight_decay=2.0)
        update = recipe.build_optimizer(net)
        for parameter in net.parameters():
            nn.init.ones_(parameter)
            parameter.grad = torch.zeros_like(parameter)
        update.step()
        weight = net.blocks[0].channel_mixing.fc1.weight
        assert torch.allclose(weight, torch.full_like(weight, 0.8))
        for name, parameter in net.named_parameters():
            if parameter.ndim == 1:
                assert torch.equal(parameter, torch.ones_like(parameter)), name

    def test_adam_without_decay_leaves_a_weight_without_gradient(self, net):
        update = Recipe(optimizer="adam").build_optimizer(net)
        before = net.head.weight.clone()
        for parameter in net.parameters():
            parameter.grad = torch.zeros_like(parameter)
        update.step()
        assert torch.equal(net.head.weight, before)


class TestSchedule:
    def rates(self, steps=10, **options):
        recipe = Recipe(optimizer="adam", lr=1.0, **options)
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = recipe.build_scheduler(optimizer, steps)
        rates = []
        for _ in range(recipe.epochs * steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return rates, optimizer.param_groups[0]["lr"]

    def test_cosine_warms_up_above_zero_and_ends_at_zero(self):
        rates, after = self.rates(epochs=4, warmup_epochs=0.5)
        assert rates[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
        assert all(a > b for a, b in itertools.pairwise(rates[5:]))
        assert 0 < rates[-1] < 0.01
        assert after == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize("steps", [1, 2, 3, 10])
    def test_one_epoch_reaches_the_peak_and_falls(self, steps):
        rates, after = self.rates(steps, epochs=1)
        assert max(rates) == 1.0
        assert min(rates) > 0
        assert after == pytest.approx(0, abs=1e-12)

    def test_by_epoch_wastes_its_first_epoch_and_never_ends(self):
        rates, _ = self.rates(epochs=12, schedule="cosine-by-epoch")
        assert rates[:10] == [0.0] * 10
        assert rates[10:60:10] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
        assert rates[-1] > 0.4  # the cosine is cut off where the warm-up has delayed it to
        assert self.rates(steps=1, epochs=800, schedule="cosine-by-epoch")[0][-1] == 1e-3
