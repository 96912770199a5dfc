import copy
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import prune
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import to_timm
from hdd.train import muon as optimizers
from hdd.train import run as engine
from hdd.train.checkpoint import save_weights
from hdd.train.classification_utils import train_one_epoch
from hdd.train.processes import Shard
from hdd.train.recipe import Recipe
from hdd.train.run import Run, average_of


def test_float32_training_gives_timms_losses_over_50_steps():
    timm = pytest.importorskip("timm.models.mlp_mixer")
    torch.manual_seed(0)
    sizes = {"num_classes": 10, "img_size": 32, "patch_size": 8, "num_blocks": 2, "embed_dim": 32}
    theirs = timm.MlpMixer(**sizes, mlp_ratio=(0.25, 4.0))
    ours = MLPMixer(patch_size=8, dim=32, depth=2)
    theirs.load_state_dict(to_timm(ours.state_dict()))
    fused = FusedMixer(copy.deepcopy(ours), torch.float32)
    labels = torch.randint(10, (400,))
    images = (torch.randint(100, (400, 3, 32, 32)) + 15 * labels.view(-1, 1, 1, 1)).byte()
    data = ImageTensors(images, labels, tuple("abcdefghij"), (0.5,) * 3, (0.29,) * 3)
    recipe = Recipe(patch_size=8, dim=32, depth=2, optimizer="adam", epochs=2)
    losses = []
    for net in (ours, fused, theirs):
        optimizer = recipe.build_optimizer(net)
        scheduler = recipe.build_scheduler(optimizer, steps_per_epoch=25)
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
        values = []

        def watched(logits, labels, criterion=criterion, values=values):
            loss = criterion(logits, labels)
            values.append(loss.item())
            return loss

        for epoch in (0, 1):
            loader = BatchLoader(data, 16, shuffle=True, seed=epoch)
            train_one_epoch(
                net, watched, loader, "cpu", optimizer, torch.float32, 1, scheduler.step
            )
        losses.append(values)
    assert len(losses[0]) == 50
    assert losses[0] == pytest.approx(losses[2], abs=1e-4)
    assert losses[1] == pytest.approx(losses[2], abs=1e-4)
    assert losses[0][-1] < losses[0][0] - 0.2


class Dtypes(TorchDispatchMode):
    """Collects the dtypes of whatever is computed."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.seen |= {t.dtype for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor)}
        return result


@pytest.mark.parametrize("native", [torch.float32, torch.bfloat16])
def test_bfloat16_is_used_only_where_it_is_native(monkeypatch, native):
    for module in (engine, optimizers):
        monkeypatch.setattr(module, "get_amp_dtype", lambda device: native)
    images = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    data = ImageTensors(images, torch.arange(40) % 10, tuple("abcdefghij"), (0.5,) * 3, (0.3,) * 3)
    monkeypatch.setattr(engine, "load", lambda name, root: (data, data))
    recipe = Recipe(patch_size=4, dim=16, depth=1, epochs=1, batch_size=20, validation=0.25)
    run = Run(recipe, torch.device("cpu"), "unused")
    with Dtypes() as dtypes:
        assert run.train_epoch()["step"] == "fused"
    assert torch.float32 in dtypes.seen
    assert (torch.bfloat16 in dtypes.seen) == (native == torch.bfloat16)


class TestAverage:
    @pytest.mark.parametrize("steps", [1, 2, 5, 200])
    def test_is_the_exponential_average(self, steps):
        net = nn.Linear(1, 1, bias=False)
        average = average_of(net, 0.9)
        expected = None
        for step in range(steps):
            with torch.no_grad():
                net.weight.fill_(math.sin(step))
            average.update_parameters(net)
            keep = 0.9 * (1 + step) / (10 + step)
            value = math.sin(step)
            expected = value if expected is None else keep * expected + (1 - keep) * value
        assert average.module.weight.item() == pytest.approx(expected, abs=1e-5)

    def test_decay_zero_is_no_average(self):
        assert average_of(nn.Linear(1, 1), 0.0) is None


class TestRun:
    """A run does what its recipe says."""

    @pytest.fixture
    def run(self, monkeypatch):
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(256, (40, 1, 8, 8), generator=generator, dtype=torch.uint8)
        data = ImageTensors(images, torch.arange(40) % 4, tuple("abcd"), (0.5,), (0.3,))
        monkeypatch.setattr(engine, "load", lambda name, root: (data, data))

        def make(**knobs):
            plain = {"auto_augment": False, "crop_padding": 0, "cutmix": 0.0}
            sizes = {"dim": 8, "depth": 1, "batch_size": 8, "epochs": 3, "validation": 0.0}
            recipe = Recipe(**plain | sizes | knobs)
            return Run(recipe, torch.device("cpu"), "")

        return make

    @staticmethod
    def epoch_of(run):
        images, labels = zip(*run._loader(), strict=True)
        return torch.cat(images), torch.cat(labels)

    def test_seed_and_epoch_decide_the_order(self, run):
        first, same, other = run(), run(), run(seed=1)
        orders = [self.epoch_of(one)[1] for one in (first, same, other)]
        assert torch.equal(orders[0], orders[1])
        assert not torch.equal(orders[0], orders[2])
        first.epoch = 1
        assert not torch.equal(self.epoch_of(first)[1], orders[0])

    def test_the_seed_decides_weights_and_split(self, run):
        first, same, other = run(validation=0.5), run(validation=0.5), run(validation=0.5, seed=1)
        assert torch.equal(first.val_data.images, same.val_data.images)
        assert not torch.equal(first.val_data.images, other.val_data.images)
        weights = [one.net.head.weight for one in (first, same, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    @pytest.mark.parametrize("padding", [0, 2])
    def test_images_are_augmented(self, run, padding):
        one = run(crop_padding=padding)
        there = {image.numpy().tobytes() for image in one.train_data.images}
        there |= {image.flip(-1).contiguous().numpy().tobytes() for image in one.train_data.images}
        pixels = (self.epoch_of(one)[0] * 0.3 + 0.5) * 255
        seen = {image.numpy().tobytes() for image in pixels.round().to(torch.uint8)}
        assert (seen <= there) == (padding == 0)

    def test_an_interrupted_epoch_is_not_gone_on_with(self, run, monkeypatch):
        one, whole = run(), run().finish()
        one.train_epoch()
        before = copy.deepcopy(one.state_dict())
        after_step, steps = one._after_step, []

        def interrupt():
            after_step()
            steps.append(1)
            if len(steps) == 2:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(one, "_after_step", interrupt)
            with pytest.raises(KeyboardInterrupt):
                one.finish()
        for call in (one.finish, one.train_epoch, one.state_dict):
            with pytest.raises(ValueError, match=r"Epoch 2 was interrupted.*Fix: a new Run, or"):
                call()
        one.load_state_dict(before)
        one.finish()
        for name, value in whole.result.state_dict().items():
            assert torch.equal(one.result.state_dict()[name], value), name
        assert one.history["train_loss"] == whole.history["train_loss"]

    def test_averaged_weights_are_evaluated(self, run):
        one = run(weight_average=0.9, validation=0.5)
        before = one.train_epoch()["val_loss"]
        with torch.no_grad():
            one.net.head.bias[0] += 1.0
        assert one.evaluate(one.val_data)[0] == pytest.approx(before)
        with torch.no_grad():
            one.average.module.head.bias[0] += 1.0
        assert one.evaluate(one.val_data)[0] != pytest.approx(before)

    def test_a_test_loss_that_is_no_number_is_an_error(self, run):
        one = run(weight_average=0.0)
        nn.init.constant_(one.net.head.bias, math.nan)
        with pytest.raises(FloatingPointError, match=r"test loss is nan.*Fix: "):
            one.test_metrics()

    def test_a_class_without_test_images_has_no_accuracy(self, run):
        one = run()
        one.test = one.test.subset((one.test.labels != 3).nonzero().flatten())
        assert 3 in one.train_data.labels
        by_class = one.test_metrics()["test_accuracy_by_class"]
        assert list(by_class) == [n for n in one.test.class_names if n != one.test.class_names[3]]
        assert all(map(math.isfinite, by_class.values()))


def test_shards_are_the_whole_batches():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (20, 1, 4, 4), generator=generator, dtype=torch.uint8)
    data = ImageTensors(images, torch.arange(20), tuple(map(str, range(20))), (0.5,), (0.3,))

    def loader():
        return BatchLoader(data, 8, shuffle=True)

    whole = [labels.tolist() for _, labels in loader()]
    parts = [[labels.tolist() for _, labels in Shard(loader(), rank, 2)] for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == whole


@pytest.mark.parametrize("draws", [7, 9, 16, 17])
def test_a_shard_counts_the_batches_of_draws(draws):
    images = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    data = ImageTensors(images, torch.zeros(40).long(), ("a",), (0.5,), (0.3,))
    shard = Shard(BatchLoader(data, 8, draws=draws), 0, 2)
    assert len(shard) == len(list(shard))


class OneBatch:
    """A loader of one last batch of `rest` images."""

    batch_size, draws = 6, None

    def __init__(self, rest):
        self.data = range(rest)

    def __len__(self):
        return -(-len(self.data) // self.batch_size)

    def __iter__(self):
        for start in range(0, len(self.data), self.batch_size):
            part = torch.arange(start, min(len(self.data), start + self.batch_size))
            yield part, part


@pytest.mark.parametrize("images", range(6, 13))
def test_parts_of_a_batch_are_equally_large_and_never_empty(images):
    shards = [list(Shard(OneBatch(images), rank, 3)) for rank in range(3)]
    sizes = [[len(x) for x, _ in shard] for shard in shards]
    assert sizes[0] == sizes[1] == sizes[2]
    assert all(sizes[0])
    assert len(Shard(OneBatch(images), 0, 3)) == len(sizes[0])
    seen = torch.cat([x for shard in shards for x, _ in shard])
    assert len(seen) == len(seen.unique()) > images - 3


class Tied(MLPMixer):
    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.blocks[1].token_mixing.fc1.weight = self.blocks[0].token_mixing.fc1.weight


class Pruned(MLPMixer):
    def __init__(self, **sizes):
        super().__init__(**sizes)
        prune.l1_unstructured(self.blocks[0].token_mixing.fc1, "weight", amount=0.5)


@pytest.mark.parametrize("kind", [Tied, Pruned])
def test_tied_and_pruned_weights_are_trained_averaged_and_saved(monkeypatch, tmp_path, kind):
    monkeypatch.setattr("hdd.train.recipe.MLPMixer", kind)
    sizes = {"patch_size": 14, "dim": 8, "depth": 2, "epochs": 1, "validation": 0.9}
    recipe = Recipe(dataset="fashion_mnist_mini", **sizes, auto_augment=False)
    run = Run(recipe, torch.device("cpu"), "")
    (before,) = (p for p in run.result.blocks[0].token_mixing.fc1.parameters() if p.ndim == 2)
    before = before.clone()
    assert run.train_epoch()["step"] == "plain"
    after = run.result.blocks[0].token_mixing.fc1
    (weight,) = (p for p in after.parameters() if p.ndim == 2)
    assert not torch.equal(weight, before)
    if kind is Pruned:
        assert (after.weight == 0).double().mean() == 0.5
    else:
        assert weight is run.result.blocks[1].token_mixing.fc1.weight
    save_weights(tmp_path / "weights", run.result)
    assert load_file(tmp_path / "weights").keys() == run.result.state_dict().keys()


def test_batch_norm_is_refused_in_several_processes(monkeypatch):
    pytest.importorskip("timm")
    monkeypatch.setattr("hdd.train.run.processes", lambda: 2)
    recipe = Recipe(dataset="fashion_mnist_mini", model="cnn", optimizer="adam", epochs=1)
    with pytest.raises(ValueError, match="Fix: one process, or model='mixer'"):
        Run(recipe, torch.device("cpu"), "dataset")
