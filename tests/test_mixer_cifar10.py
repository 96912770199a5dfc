"""resources/mixer_cifar10.py: the flagship's recipe in one file, which must be that of `hdd`."""

import ast
import copy
import importlib.util
import io
import runpy
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from hdd.data_util.batch_augmentation import BatchAutoAugment
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.train.run import average_of

FILE = Path(__file__).parents[1] / "resources" / "mixer_cifar10.py"
NAMES = {
    **{"ShearY": "shear", "TranslateX": "right", "TranslateY": "down", "Rotate": "rotate"},
    **{"Brightness": "bright", "Color": "color", "Contrast": "contrast", "Sharpness": "sharpen"},
    **{"Posterize": "coarse", "Solarize": "solar", "AutoContrast": "stretch"},
    **{"Equalize": "equal", "Invert": "invert"},
}


@pytest.fixture(scope="module")
def one():
    spec = importlib.util.spec_from_file_location("mixer_cifar10", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """What the file changes in torch on a processor without bfloat16 must not reach other tests."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.bfloat16)


def smooth_images(count):
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return (torch.nn.functional.interpolate(coarse, size=32, mode="bicubic") * 255).clamp(0, 255)


def test_reads_in_five_minutes_and_needs_torch_alone():
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [node.names[0].name])
    }
    assert imported - set(sys.stdlib_module_names) == {"torch"}


def test_its_policy_is_the_papers(one):
    policies = BatchAutoAugment().policy.policies
    expected = [[(NAMES[name], p, level or 0) for name, p, level in two] for two in policies]
    found = [[(p[i], float(p[i + 1]), int(p[i + 2])) for i in (0, 3)] for p in one.POLICY]
    assert found == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_its_operations_are_those_of_hdd(one, sign):
    batch, images = BatchAutoAugment(), smooth_images(20).to(torch.uint8)
    for number, (name, level) in enumerate(batch.operations):
        signs = torch.full((20, 1, 1, 1), float(sign))
        found = one.OPERATIONS[NAMES[name]](images.float(), signs, level)
        differing = (found - batch._operate(images, number, sign)).abs() > 1
        # Sharpness blurs the border, too, which Pillow leaves alone.
        edge = 1 if name == "Sharpness" else 0
        assert not differing[..., edge : 32 - edge, edge : 32 - edge].any(), name


def test_its_network_is_hdds(one):
    net, other = MLPMixer(patch_size=4, dim=128, depth=8), one.Mixer()
    for ours, theirs in zip(other.parameters(), in_order(net), strict=True):
        ours.data = torch.randn_like(ours) * 0.05
        theirs.data = ours.data.clone()
    images = smooth_images(4)
    mean, std = (
        torch.tensor(v).view(-1, 1, 1) for v in ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    )
    torch.testing.assert_close(other(images), net((images - mean) / std))


def in_order(net):
    """Yield hdd's parameters in the order of the file's network."""
    yield from net.patch_embedding.parameters()
    for block in net.blocks:
        yield from block.token_norm.parameters()
        yield from block.channel_norm.parameters()
        yield from block.token_mixing.parameters()
        yield from block.channel_mixing.parameters()
    yield from net.norm.parameters()
    yield from net.head.parameters()


def test_cutmix_mixes_targets_as_the_pixels_are(one):
    torch.manual_seed(0)
    values, labels = torch.arange(64.0) % 10, torch.arange(64) % 10
    images = values.view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    mixed, targets = one.cutmix(images, labels)
    torch.testing.assert_close(mixed.mean((1, 2, 3)), targets @ torch.arange(10.0))
    assert 10 < (targets.amax(1) < 1).sum() < 54


def archive(folder):
    """Write an archive like the official one, of 6 x 80 images that differ in brightness only."""
    labels = torch.arange(80) % 2
    pixels = torch.where(labels[:, None] == 1, 200, 50).expand(-1, 3072)
    content = bytes(torch.cat([labels[:, None], pixels], 1).to(torch.uint8).flatten().tolist())
    path = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


SMALLER = {"128, 1000, 0.1": "16, 80, 0.1", "1e-3, 0.999": "1e-3, 0.5", "depth: int = 8": "depth=1"}


def test_it_runs_and_learns(tmp_path, monkeypatch, capsys):
    text = FILE.read_text(encoding="utf-8")
    for old, new in SMALLER.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    smaller = tmp_path / "smaller.py"
    smaller.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(smaller), str(archive(tmp_path)), "--epochs", "2"])
    runpy.run_path(str(smaller), run_name="__main__")
    *epochs, test = capsys.readouterr().out.splitlines()
    assert len(epochs) == 2
    assert float(test.split()[1]) > 0.9
    runpy.run_path(str(smaller), run_name="__main__")  # nothing is left to train
    assert capsys.readouterr().out.splitlines() == [test]


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(one, tmp_path, monkeypatch):
    torch.manual_seed(0)
    images, labels = smooth_images(3 * one.BATCH), torch.arange(3 * one.BATCH) % 10
    start, parts = one.Mixer(depth=1), [(images, labels), (images[:8], labels[:8])]

    def weights(name):
        monkeypatch.setitem(sys.modules, "mixer_cifar10", one)  # where pickle looks for Mixer
        net = one.train(copy.deepcopy(start), *parts, 2, 7, tmp_path / name)
        return torch.cat([p.flatten() for p in net.parameters()])

    expected, measured = weights("whole.pt"), one.accuracy

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(one, "accuracy", killed)
    with pytest.raises(KeyboardInterrupt):
        weights("cut.pt")
    monkeypatch.setattr(one, "accuracy", measured)
    assert torch.equal(weights("cut.pt"), expected)


def test_its_averaged_weights_are_those_of_hdd(one, monkeypatch, tmp_path):
    """From the first step on: a short run must not be judged by the random start."""
    torch.manual_seed(0)
    images, labels = smooth_images(3 * one.BATCH), torch.arange(3 * one.BATCH) % 10
    net, lerp = one.Mixer(depth=1), torch._foreach_lerp_
    seen = [copy.deepcopy(net)]

    def watched(averages, values, weight):
        seen.append(copy.deepcopy(net))
        return lerp(averages, values, weight)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "_foreach_lerp_", watched)
        patch.setitem(sys.modules, "mixer_cifar10", one)  # where pickle looks for Mixer
        data = images, labels
        average = one.train(net, data, data, 1, 0, tmp_path / "run.pt")
    start, *steps = seen
    expected = average_of(start, one.AVERAGE)
    for step in steps:
        expected.update_parameters(step)
    assert len(steps) == 3
    pairs = zip(average.parameters(), expected.module.parameters(), strict=True)
    assert all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.tar.gz", "--epochs", "0"], "--epochs 0 must be 1 or more. Fix: "),
        (["other.tar.gz"], "other.tar.gz cannot be read"),
        (["none.pt"], "none.pt cannot be read"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
    ],
)
def test_a_wrong_command_line_or_file_is_told_in_words(tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    Path("other.tar.gz").write_text("<html>", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(FILE), *words])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(FILE), run_name="__main__")
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_muon_computes_in_what_is_native(tmp_path, monkeypatch, native, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(sys, "argv", [str(FILE), str(tmp_path / "none.pt")])
    with pytest.raises(SystemExit):
        runpy.run_path(str(FILE), run_name="__main__")
    seen, norm = set(), torch.Tensor.norm

    def watched(x, *arguments, **options):
        seen.add(x.dtype)
        return norm(x, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "norm", watched)
    matrix = torch.nn.Parameter(torch.eye(4))
    matrix.grad = torch.ones(4, 4)
    torch.optim.Muon([matrix]).step()
    assert seen == {expected}
