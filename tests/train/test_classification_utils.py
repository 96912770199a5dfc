import copy
import functools
import math
import re

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from hdd.data_util.batch_augmentation import CutMix, random_crop_and_flip
from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MixerBlock, MLPMixer
from hdd.train import classification_utils
from hdd.train.classification_utils import evaluate, naive_train_classification_model, predict
from hdd.train.short_runs import fit
from hdd.train.warmup_scheduler import GradualWarmupScheduler

LINE = re.compile(
    r"Epoch: (\d+)/(\d+) Train Loss: \d+\.\d{4} Accuracy: [01]\.\d{4} Time: \d+\.\d{5}"
    r"  \| Val Loss: \d+\.\d{4} Accuracy: [01]\.\d{4}"
)
KEYS = {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "train_time"}


@pytest.fixture(autouse=True)
def no_bar(monkeypatch):
    monkeypatch.setattr("hdd.progress.tqdm", functools.partial(tqdm, disable=True))


def make_data(n=20, classes=4):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    names = tuple(str(c) for c in range(classes))
    return ImageTensors(images, torch.arange(n) % classes, names, (0.5,), (0.29,))


def make_net(classes=4, **options):
    torch.manual_seed(0)
    return MLPMixer(
        image_size=8, channels=1, patch_size=4, dim=32, depth=2, num_classes=classes, **options
    )


def run(net, train_loader, val_loader=None, epochs=1, lr=1e-3, criteria=None, **options):
    optimizer = options.pop("optimizer", None) or torch.optim.Adam(net.parameters(), lr=lr)
    scheduler = options.pop("scheduler", None) or LambdaLR(optimizer, lambda epoch: 1.0)
    return naive_train_classification_model(
        net,
        criteria or nn.CrossEntropyLoss(),
        epochs,
        train_loader,
        train_loader if val_loader is None else val_loader,
        "cpu",
        optimizer,
        scheduler,
        **options,
    )


def test_prints_the_documents_line(capsys):
    history = run(make_net(), BatchLoader(make_data(), 8), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [LINE.fullmatch(line).groups() for line in lines] == [("1", "2"), ("2", "2")]
    names = ("train_loss", "train_accuracy", "train_time", "val_loss", "val_accuracy")
    for name, number in zip(names, re.findall(r"\d+\.\d+", lines[0]), strict=True):
        assert float(number) == pytest.approx(history[name][0], abs=1e-4)


@pytest.mark.parametrize(
    ("epochs", "every", "printed"), [(7, 3, [3, 6, 7]), (6, 3, [3, 6]), (2, 5, [2])]
)
def test_prints_every_few_epochs_and_always_the_last(capsys, epochs, every, printed):
    run(make_net(), BatchLoader(make_data(8), 8), epochs=epochs, log_every=every)
    lines = capsys.readouterr().out.splitlines()
    assert [int(LINE.fullmatch(line)[1]) for line in lines] == printed


def test_silent_if_not_verbose(capsys):
    run(make_net(), BatchLoader(make_data(8), 8), verbose=False)
    assert capsys.readouterr() == ("", "")


def test_history_has_one_value_an_epoch_and_on_epoch_gets_it():
    calls = []
    optimizer = torch.optim.Adam((net := make_net()).parameters(), lr=1e-3)
    scheduler = LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    loader = BatchLoader(make_data(), 8)
    options = {"optimizer": optimizer, "scheduler": scheduler}
    history = run(net, loader, epochs=3, **options, on_epoch=lambda *values: calls.append(values))
    assert set(history) == KEYS
    assert {len(values) for values in history.values()} == {3}
    assert calls == [
        (epoch + 1, {name: values[epoch] for name, values in history.items()}) for epoch in range(3)
    ]
    assert history["learning_rate"] == [1e-3, 5e-4, 2.5e-4]


def test_last_figures_are_those_of_the_trained_network():
    net, data = make_net(), make_data()
    history = run(net, BatchLoader(data, 8), epochs=2, lr=1e-2)
    net.eval()
    with torch.no_grad():
        logits = net(data.normalize(data.images))
    loss = functional.cross_entropy(logits, data.labels).item()
    assert history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert history["val_accuracy"][-1] == (logits.argmax(1) == data.labels).double().mean().item()


def test_every_image_counts_once_in_an_uneven_last_batch():
    net, data = make_net(), make_data(9)
    with torch.no_grad():
        losses = functional.cross_entropy(
            net(data.normalize(data.images)), data.labels, reduction="none"
        )
    batches = [losses[:8].mean(), losses[8:].mean()]
    assert abs(sum(batches) / 2 - losses.mean()) > 1e-3  # the mistake would show
    still = torch.optim.SGD(net.parameters(), lr=0.0)
    history = run(net, BatchLoader(data, 8), optimizer=still)
    assert history["train_loss"][0] == pytest.approx(losses.mean().item(), rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(losses.mean().item(), rel=1e-5)


def test_validation_loss_is_not_smoothed():
    net, loader = make_net(), BatchLoader(make_data(), 8)
    still = torch.optim.SGD(net.parameters(), lr=0.0)
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.5)
    history = run(net, loader, criteria=smoothed, optimizer=still)
    logits, labels = predict(net, loader, "cpu")
    plain = functional.cross_entropy(logits, labels).item()
    assert history["val_loss"][0] == pytest.approx(plain, rel=1e-6)
    assert history["train_loss"][0] == pytest.approx(smoothed(logits, labels).item(), rel=1e-5)
    assert abs(history["train_loss"][0] - plain) > 1e-4


def test_a_loss_that_is_not_finite_stops_the_run_with_the_weights_intact():
    data = make_data(24)
    images = data.normalize(data.images)
    batches = list(zip(images.split(8), data.labels.split(8), strict=True))
    net, seen = make_net(), []

    def criteria(logits, labels):
        seen.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
        loss = functional.cross_entropy(logits, labels)
        return loss * math.nan if len(seen) == 5 else loss  # epoch 2, step 2 of 3

    with pytest.raises(FloatingPointError, match="nan") as error:
        run(net, batches, epochs=3, lr=0.00123, criteria=criteria)
    for fragment in ("epoch 2", "step 2", "0.00123", "Fix:"):
        assert fragment in str(error.value)
    for name, tensor in net.state_dict().items():
        assert tensor.isfinite().all(), name
        assert torch.equal(tensor, seen[-1][name]), name


def test_an_exploding_learning_rate_is_reported():
    net = make_net()
    with pytest.raises(FloatingPointError, match=r"learning rate 1e\+3"):
        run(
            net,
            BatchLoader(make_data(), 4),
            epochs=20,
            optimizer=torch.optim.SGD(net.parameters(), lr=1e30),
        )


def test_dataloader_and_batch_loader_give_the_same_history():
    data = make_data()
    pairs = TensorDataset(data.normalize(data.images), data.labels)
    ours = run(make_net(), BatchLoader(data, 8), epochs=3, lr=1e-2)
    theirs = run(make_net(), DataLoader(pairs, 8), epochs=3, lr=1e-2)
    for name in KEYS - {"train_time"}:
        assert ours[name] == theirs[name], name


def test_running_the_training_twice_says_that_it_goes_on(capsys):
    optimizer = torch.optim.Adam((net := make_net()).parameters(), lr=1e-3)
    scheduler = CosineAnnealingLR(optimizer, 2)
    options = {"epochs": 2, "optimizer": optimizer, "scheduler": scheduler}
    run(net, BatchLoader(make_data(), 8), **options)
    assert "continues" not in capsys.readouterr().out
    run(net, BatchLoader(make_data(), 8), **options)
    assert "2 epochs on: this training continues. Fix, for a new one: " in capsys.readouterr().out


class SpyPlateau(ReduceLROnPlateau):
    """Reduces after every epoch, and keeps what it was told."""

    def __init__(self, optimizer):
        self.metrics = []
        super().__init__(optimizer, factor=0.5, patience=0, threshold=10.0, threshold_mode="abs")

    def step(self, metrics):
        self.metrics.append(metrics)
        super().step(metrics)


@pytest.mark.parametrize("warm", [0, 2])
def test_plateau_scheduler_gets_the_validation_loss(warm):
    optimizer = torch.optim.Adam((net := make_net()).parameters(), lr=1e-3)
    spy = SpyPlateau(optimizer)
    scheduler = GradualWarmupScheduler(optimizer, 1.0, warm, spy) if warm else spy
    options = {"epochs": 4 + warm, "optimizer": optimizer, "scheduler": scheduler}
    history = run(net, BatchLoader(make_data(), 8), **options)
    assert spy.metrics == history["val_loss"][warm:]
    rates = ([5e-4, 1e-3] if warm else []) + [1e-3, 1e-3, 5e-4, 2.5e-4]
    assert history["learning_rate"] == pytest.approx(rates)


@pytest.mark.parametrize("edited", [False, True])
def test_the_fast_step_trains_the_same(capsys, monkeypatch, edited):
    batches, fused = [], FusedMixer.forward
    monkeypatch.setattr(
        FusedMixer, "forward", lambda net, x: batches.append(len(x)) or fused(net, x)
    )
    if edited:
        monkeypatch.setattr(MixerBlock, "forward", lambda self, x: x + self.channel_mixing(x))
    plain, fast = (
        run(make_net(), BatchLoader(make_data(), 8), epochs=3, fast_step=f) for f in (False, True)
    )
    assert fast["train_loss"] == pytest.approx(plain["train_loss"], abs=1e-5)
    assert fast["val_loss"] == pytest.approx(plain["val_loss"], abs=1e-5)
    assert (8 in batches) != edited  # a proof has fewer images than a batch
    assert capsys.readouterr().out.count("not the fused one") == edited


def shuffled(data, **options):
    return BatchLoader(data, 8, shuffle=True, **options)


@pytest.mark.parametrize("proven", [True, False])
def test_the_proof_takes_nothing_from_a_loader(monkeypatch, proven):
    """Whether it ends well or not, and if one loader serves for both, and draws at random."""
    plain = "hdd.models.cnn.fast_step.choose_step", lambda net, images, dtype: (net, "not asked")
    histories = []
    for fast in (False, True):
        torch.manual_seed(0)
        loader = shuffled(make_data(), augment=random_crop_and_flip)
        with monkeypatch.context() as patch:
            if not proven:
                patch.setattr(*plain)
            histories.append(run(make_net(), loader, epochs=3, fast_step=fast, verbose=False))
    for name in KEYS - {"train_time"}:
        close = pytest.approx(histories[0][name], abs=1e-5 if proven else 0)
        assert histories[1][name] == close, name


def test_the_proof_takes_no_batch_of_a_generator():
    data, counts = make_data(), []

    def counted(role):
        for batch in BatchLoader(data, 8):
            counts.append(role)
            yield batch

    fast = run(make_net(), counted("train"), counted("val"), fast_step=True)
    assert (counts.count("train"), counts.count("val")) == (3, 3)
    plain = run(make_net(), BatchLoader(data, 8))
    assert fast["train_loss"] == pytest.approx(plain["train_loss"], abs=1e-5)
    assert fast["val_loss"] == pytest.approx(plain["val_loss"], abs=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        lambda images: (255 * images.abs()).byte(),
        lambda images: images.double(),
        lambda images: images.repeat(1, 1, 2, 1),
        lambda images: images.repeat(1, 3, 1, 1),
    ],
    ids=["uint8", "float64", "size", "channels"],
)
def test_the_fast_step_refuses_the_images_that_the_network_refuses(change):
    good = list(BatchLoader(make_data(), 8))
    bad = [(change(images), labels) for images, labels in good]
    messages = []
    for batches, fast in ((bad, False), (bad, True), ([good[0], *bad], True)):
        with pytest.raises(ValueError, match="Fix: ") as error:
            run(make_net(), batches, good, fast_step=fast)
        messages.append(str(error.value))
    assert messages[0] == messages[2]
    assert re.match(r"images=|Input of shape", messages[1])


def test_bfloat16_autocast_stays_close_to_float32():
    loader = BatchLoader(make_data(), 8)
    full = run(make_net(), loader, epochs=3)
    net = make_net()
    half = run(net, loader, epochs=3, amp_dtype=torch.bfloat16)
    for name in ("train_loss", "val_loss"):
        assert half[name] == pytest.approx(full[name], rel=0.03)
        assert half[name] != full[name]  # autocast was on
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": -1}, {"log_every": 0}])
def test_bad_counts_are_named(options):
    ((name, value),) = options.items()
    name = name.replace("epochs", "max_epochs")
    with pytest.raises(ValueError, match=f"{name}={value} must be a positive integer. Fix: "):
        run(make_net(), BatchLoader(make_data(), 8), **options)


@pytest.mark.parametrize("empty", ["train_loader", "val_loader"])
def test_an_empty_loader_is_named_before_the_training(empty):
    full, net = BatchLoader(make_data(), 8), make_net()
    before = copy.deepcopy(net.state_dict())
    loaders = {"train_loader": full, "val_loader": full, empty: BatchLoader(full.data, 8)}
    loaders[empty].data = full.data.subset(torch.arange(0))
    with pytest.raises(ValueError, match=rf"{empty} is empty.*Fix:"):
        run(net, **loaders)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_generator_without_batches_is_an_error():
    with pytest.raises(ValueError, match=r"training loader is empty.*Fix:"):
        run(make_net(), (batch for batch in ()), BatchLoader(make_data(), 8))


@pytest.mark.parametrize(
    ("classes", "wanted"), [([0, 11], "up to 11.*num_classes=12"), ([-1, 3], "down to -1.*from 0")]
)
def test_labels_without_an_output_are_named(classes, wanted):
    batches = [(torch.zeros(2, 1, 8, 8), torch.tensor(classes))]
    with pytest.raises(ValueError, match=rf"Labels go {wanted}") as error:
        run(make_net(), batches)
    assert "the network has 4 outputs, for the classes 0 to 3" in str(error.value)
    with pytest.raises(ValueError, match=rf"Labels go {wanted}"):
        evaluate(make_net(), batches, "cpu")


FLOATS = torch.zeros(2, 1, 8, 8)


@pytest.mark.parametrize(
    "batch",
    [
        FLOATS,
        (FLOATS,),
        {"images": FLOATS, "labels": torch.zeros(2).long()},
        (FLOATS, torch.zeros(2).long(), ["a.png", "b.png"]),
        (FLOATS, [0, 1]),
        (FLOATS, torch.zeros(3).long()),
    ],
)
def test_a_loader_of_other_things_than_pairs_is_refused(batch):
    good = BatchLoader(make_data(), 8)
    with pytest.raises(ValueError, match=r"The loader yields .*Fix: .*loader"):
        run(make_net(), iter([batch]), good)
    with pytest.raises(ValueError, match=r"The loader yields .*Fix: .*loader"):
        evaluate(make_net(), iter([batch]), "cpu")


def test_a_list_of_batches_says_what_each_must_be():
    with pytest.raises(ValueError, match=r"loader=.*each item 2 values, each a tensor.*Fix: "):
        evaluate(make_net(), [(FLOATS, [0, 1])], "cpu")


@pytest.mark.parametrize(
    ("labels", "fix"),
    [
        (torch.tensor([0.0, 1.0]), r"flatten\(\)\.long"),
        (torch.tensor([0, 1], dtype=torch.int32), r"flatten\(\)\.long"),
        (torch.tensor([[0], [1]]), r"flatten\(\)\.long"),
        (torch.tensor([[0.0], [1.0]]), r"flatten\(\)\.long"),
        (torch.eye(4)[:2].long(), r"labels\.float"),
    ],
)
def test_labels_that_cross_entropy_does_not_take_are_named(labels, fix):
    for call in (run, lambda net, loader: evaluate(net, loader, "cpu")):
        with pytest.raises(ValueError, match=rf"labels=torch\..* must be int64 .*Fix: .*{fix}"):
            call(make_net(), [(FLOATS, labels)])


def test_a_network_made_anew_needs_its_optimizer_anew():
    """Cells that run out of order would train nothing, and say nothing."""
    old, net = make_net(), make_net()
    optimizer = torch.optim.Adam(old.parameters())
    with pytest.raises(ValueError, match=r"optimizer drives none .*Fix: make the optimizer.*again"):
        run(net, BatchLoader(make_data(), 8), optimizer=optimizer)
    scheduler = LambdaLR(optimizer, lambda epoch: 1.0)
    with pytest.raises(ValueError, match=r"scheduler drives another optimizer.*Fix: "):
        run(net, BatchLoader(make_data(), 8), scheduler=scheduler)


def test_a_network_that_cannot_be_trained_is_named():
    frozen = make_net().requires_grad_(False)
    with pytest.raises(ValueError, match=r"no parameter of net.*Fix: net\.requires_grad_\(True\)"):
        run(frozen, BatchLoader(make_data(), 8))


@pytest.mark.parametrize(
    "criteria", [nn.CrossEntropyLoss(reduction="none"), lambda logits, labels: 0.5]
)
def test_a_loss_that_is_no_number_is_named(criteria):
    with pytest.raises(ValueError, match=r"criteria returned .*Fix: .*reduction='mean'"):
        run(make_net(), BatchLoader(make_data(), 8), criteria=criteria)


@pytest.mark.parametrize("n", [4, 8])
def test_mixed_targets_are_not_evaluated(n):
    loader = BatchLoader(make_data(n), 4, mix=CutMix(1.0, 4))
    match = rf"labels \({n}, 4\) must be .*Fix: a loader without `mix`"
    with pytest.raises(ValueError, match=match):
        evaluate(make_net(), loader, "cpu")


def test_a_class_of_losses_is_no_loss():
    with pytest.raises(ValueError, match=r"criteria=CrossEntropyLoss is a class\. Fix: "):
        run(make_net(), BatchLoader(make_data(), 8), criteria=nn.CrossEntropyLoss)


class Wrapped(MLPMixer):
    """A network whose outputs a test changes."""

    def forward(self, images):
        return self.change(super().forward(images))


@pytest.mark.parametrize("change", [lambda x: (x, 1), lambda x: x.sum()], ids=["tuple", "scalar"])
def test_other_outputs_than_rows_are_named(change):
    net = Wrapped(image_size=8, channels=1, patch_size=4, dim=8, depth=1, num_classes=4)
    net.change, loader = change, BatchLoader(make_data(), 8)
    for call in (run, lambda net, loader: evaluate(net, loader, "cpu")):
        with pytest.raises(ValueError, match=r"net returned .*a row for each image.*Fix: a net"):
            call(net, loader)
    net.change = lambda x: x[:, 0]
    with pytest.raises(ValueError, match=r"Outputs \(20,\) and labels \(20,\) must be .*Fix: "):
        evaluate(net, loader, "cpu")


def test_a_dtype_that_autocast_does_not_know_is_named():
    loader = BatchLoader(make_data(), 8)
    for call in (run, lambda net, loader, **o: evaluate(net, loader, "cpu", **o)):
        with pytest.raises(ValueError, match=r"amp_dtype=torch\.int8 is unknown\. Fix: "):
            call(make_net(), loader, amp_dtype=torch.int8)


def test_no_weights_are_lost_on_the_meta_device():
    net, loader = make_net(), BatchLoader(make_data(), 8)
    optimizer = torch.optim.Adam(net.parameters())
    scheduler = LambdaLR(optimizer, lambda epoch: 1.0)
    loss = nn.CrossEntropyLoss()
    for call in (
        lambda: fit(net, loader, 0.1, device="meta"),
        lambda: evaluate(net, loader, "meta"),
        lambda: naive_train_classification_model(
            net, loss, 1, loader, loader, "meta", optimizer, scheduler
        ),
    ):
        with pytest.raises(ValueError, match=r"device='meta' computes nothing\. Fix: device='cpu'"):
            call()
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}


def test_targets_of_other_classes_are_named():
    batches = [(torch.zeros(2, 1, 8, 8), torch.eye(12)[:2])]
    with pytest.raises(ValueError, match=r"12 classes.* 4 outputs.*Fix: .*num_classes=12"):
        run(make_net(), batches)


BAD = {
    "The images of this step hold NaN": ({"images": math.nan}, {}),
    "The targets of this step hold NaN": ({"labels": torch.full((2, 4), math.nan)}, {}),
    "All labels of this step are -100, ignored": ({"labels": torch.full((2,), -100)}, {}),
    "All labels of this step are 7, ignored": (
        {"labels": torch.full((2,), 7)},
        {"criteria": nn.CrossEntropyLoss(ignore_index=7)},
    ),
}


@pytest.mark.parametrize("cause", BAD)
def test_a_loss_that_is_not_finite_names_its_cause(cause):
    values, options = BAD[cause]
    images = torch.full((2, 1, 8, 8), values.get("images", 0.0))
    batches = [(images, values.get("labels", torch.tensor([0, 1])))]
    with pytest.raises(FloatingPointError, match=rf"Loss nan in epoch 1, step 1.*{cause}.*Fix:"):
        run(make_net(), batches, BatchLoader(make_data(), 8), **options)


def test_a_network_spoilt_before_is_told_from_a_rate_too_high():
    net = make_net()
    nn.init.constant_(net.head.weight, math.nan)
    with pytest.raises(FloatingPointError, match=r"weights were not finite before\. Fix"):
        run(net, BatchLoader(make_data(), 8))


def test_ignored_labels_beside_others_are_fine():
    labels = torch.tensor([0, -100, 3])
    history = run(make_net(), [(torch.zeros(3, 1, 8, 8), labels)], BatchLoader(make_data(), 8))
    assert math.isfinite(history["train_loss"][0])


class TestOnADeviceThatComputesAhead:
    """A GPU's way of reading losses, on the CPU: `_Tally` looks every few steps only."""

    @pytest.fixture(autouse=True)
    def ahead(self, monkeypatch):
        real = classification_utils._Tally
        monkeypatch.setattr(
            classification_utils, "_Tally", lambda *args, look_every: real(*args, look_every=4)
        )

    def test_the_same_history(self, monkeypatch):
        ahead = run(make_net(), BatchLoader(make_data(42), 4), epochs=2)
        monkeypatch.undo()
        at_once = run(make_net(), BatchLoader(make_data(42), 4), epochs=2)
        for name in KEYS - {"train_time"}:
            assert ahead[name] == at_once[name], name

    @pytest.mark.parametrize(
        ("bad", "steps", "went_on"),
        [(2, 10, "went on to step 3 and are spoilt"), (10, 10, "went on to step 10"), (8, 10, "")],
    )
    def test_the_message_names_the_step_and_where_the_weights_are(self, bad, steps, went_on):
        seen = []

        def criteria(logits, labels):
            seen.append(len(labels))
            return functional.cross_entropy(logits, labels) * (math.nan if len(seen) == bad else 1)

        with pytest.raises(
            FloatingPointError, match=f"nan in epoch 1, step {bad}, .*Fix:"
        ) as error:
            run(make_net(), BatchLoader(make_data(4 * steps), 4), criteria=criteria)
        assert went_on in str(error.value)
        assert ("spoilt" in str(error.value)) == bool(went_on)


def test_a_tiny_mixer_learns_64_images_by_heart():
    torch.manual_seed(0)
    data = make_data(64)
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    history = run(
        net,
        BatchLoader(data, 16, shuffle=True),
        BatchLoader(data, 64),
        epochs=20,
        optimizer=optimizer,
        scheduler=CosineAnnealingLR(optimizer, 20),
        verbose=False,
    )
    assert history["val_accuracy"][0] < 0.7
    assert history["train_accuracy"][-1] > 0.95
    assert history["val_accuracy"][-1] > 0.95
    assert history["val_loss"][-1] < 0.3


def test_one_seed_one_result():
    def weights(seed):
        net = make_net(dropout=0.1)
        torch.manual_seed(seed)
        run(net, BatchLoader(make_data(), 8, shuffle=True, seed=seed), epochs=2, verbose=False)
        return torch.cat([parameter.flatten() for parameter in net.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_training_uses_dropout_in_every_epoch():
    modes = []
    net = make_net(dropout=0.5)
    net.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    run(net, BatchLoader(make_data(8), 8), epochs=2)
    assert modes == [True, False, True, False]  # training, evaluation, twice


def test_predict_returns_all_rows_in_order_without_dropout():
    data, net = make_data(9), make_net(dropout=0.5).train()
    logits, labels = predict(net, BatchLoader(data, 4), "cpu")
    assert torch.equal(labels, data.labels)
    net.eval()
    torch.testing.assert_close(logits, net(data.normalize(data.images)).detach())
    assert not logits.requires_grad
