import io
import warnings
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from hdd.train.warmup_scheduler import GradualWarmupScheduler

BASE = 0.1
AFTER = {
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, 8, eta_min=1e-6),
    "step": lambda optimizer: StepLR(optimizer, 3, gamma=0.5),
    "exponential": lambda optimizer: ExponentialLR(optimizer, 0.7),
    "lambda": lambda optimizer: LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
}


def make_optimizer(*rates):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": r} for r in rates or [BASE]]
    return torch.optim.SGD(groups)


def train(optimizer, scheduler, epochs, metrics=None):
    """Return the learning rates (one list a group) that each epoch trains at."""
    rates = []
    for epoch in range(epochs):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step(*([] if metrics is None else [metrics[epoch]]))
    return rates


@pytest.mark.parametrize("after", [None, "cosine", "plateau"])
@pytest.mark.parametrize(("multiplier", "total"), [(0.3, 1), (1.0, 5), (2.0, 3), (10.0, 7)])
def test_ramp_is_linear_and_ends_exactly_at_base_times_multiplier(multiplier, total, after):
    optimizer = make_optimizer()
    makers = AFTER | {"plateau": ReduceLROnPlateau}
    scheduler = makers[after](optimizer) if after else None
    warmup = GradualWarmupScheduler(optimizer, multiplier, total, scheduler)
    metrics = [1.0] * (total + 1) if after == "plateau" else None
    rates = [rate for (rate,) in train(optimizer, warmup, total + 1, metrics)]
    peak = BASE * multiplier
    assert min(rates) > 0
    assert rates[:total] == pytest.approx([peak * (e + 1) / total for e in range(total)], rel=1e-12)
    assert rates[total - 1] == peak
    assert rates[total] == peak  # the hand-over: the other scheduler's own first epoch


@pytest.mark.parametrize("multiplier", [1.0, 2.0])
def test_a_scheduler_that_starts_low_keeps_its_shape(multiplier):
    rates = []
    for warm in (0, 2):
        optimizer = make_optimizer()
        after = LinearLR(optimizer, 0.5, total_iters=4)
        scheduler = GradualWarmupScheduler(optimizer, multiplier, warm, after) if warm else after
        rates.append([rate for (rate,) in train(optimizer, scheduler, 6 + warm)])
    assert rates[1][2:] == pytest.approx([multiplier * rate for rate in rates[0]])
    assert rates[1][1] == pytest.approx(multiplier * BASE / 2)


def test_document_call_by_epoch():
    optimizer = make_optimizer(1e-3)
    cosine = CosineAnnealingLR(optimizer, 800, eta_min=1e-6)
    warmup = GradualWarmupScheduler(
        optimizer, multiplier=1.0, total_epoch=5, after_scheduler=cosine
    )
    rates = [rate for (rate,) in train(optimizer, warmup, 800)]
    assert rates[:6] == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4, 1e-3, 1e-3], rel=1e-12)
    assert all(a > b for a, b in pairwise(rates[5:]))


def test_without_another_scheduler_the_peak_stays():
    optimizer, other = make_optimizer(), make_optimizer()
    rates = train(optimizer, GradualWarmupScheduler(optimizer, 3.0, 2), 6)
    assert [rate for (rate,) in rates] == pytest.approx([0.15] + [0.3] * 5, rel=1e-12)
    assert train(other, GradualWarmupScheduler(other, 1.0, 0), 3) == [[BASE]] * 3


def test_groups_keep_their_own_rates():
    optimizer = make_optimizer(0.1, 0.004)
    warmup = GradualWarmupScheduler(optimizer, 2.0, 4, AFTER["cosine"](optimizer))
    rates = train(optimizer, warmup, 10)
    assert rates[0] == pytest.approx([0.05, 0.002], rel=1e-12)
    assert rates[3] == [0.2, 0.008]
    assert rates[9] == pytest.approx(plain_rates("cosine", [0.2, 0.008], 6)[5], rel=1e-12)


def plain_rates(after, peaks, epochs):
    optimizer = make_optimizer(*peaks)
    return train(optimizer, AFTER[after](optimizer), epochs)


@pytest.mark.parametrize(("multiplier", "total"), [(1.0, 4), (2.0, 4), (0.5, 4), (2.0, 0)])
@pytest.mark.parametrize("after", AFTER)
def test_after_the_warmup_it_is_the_plain_scheduler_from_the_peak(after, multiplier, total):
    optimizer = make_optimizer()
    warmup = GradualWarmupScheduler(optimizer, multiplier, total, AFTER[after](optimizer))
    rates = train(optimizer, warmup, total + 8)
    expected = plain_rates(after, [BASE * multiplier], 8)
    assert [r for (r,) in rates[total:]] == pytest.approx([r for (r,) in expected], rel=1e-12)


def plateau(optimizer):
    return ReduceLROnPlateau(optimizer, factor=0.1, patience=1)


def test_plateau_reduces_after_the_warmup_and_not_during_it():
    optimizer = make_optimizer()
    warmup = GradualWarmupScheduler(optimizer, 2.0, 3, plateau(optimizer))
    # After the ramp: one best value, one bad epoch forgiven, the second one reduces.
    rates = [r for (r,) in train(optimizer, warmup, 9, [1.0] * 9)]
    assert rates == pytest.approx(
        [0.2 / 3, 0.4 / 3, 0.2, 0.2, 0.2, 0.2, 0.02, 0.02, 0.002], rel=1e-12
    )


def test_plateau_demands_a_metric():
    optimizer = make_optimizer()
    warmup = GradualWarmupScheduler(optimizer, 1.0, 1, plateau(optimizer))
    optimizer.step()
    warmup.step()  # the ramp needs none
    with pytest.raises(ValueError, match=r"Fix: .*val_loss"):
        warmup.step()


METRICS = [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 7])  # of ten epochs; the first three warm up
@pytest.mark.parametrize("after", ["cosine", "plateau", None])
def test_resuming_equals_the_uninterrupted_run(after, cut):
    makers = AFTER | {"plateau": plateau}

    def start():
        optimizer = make_optimizer(0.1, 0.02)
        other = makers[after](optimizer) if after else None
        return optimizer, GradualWarmupScheduler(optimizer, 2.0, 3, other)

    def metrics(part):
        return part if after == "plateau" else None

    optimizer, scheduler = start()
    whole = train(optimizer, scheduler, 10, metrics(METRICS))
    if after:
        assert whole[-1] != whole[4]  # there is something to restore

    optimizer, scheduler = start()
    first = train(optimizer, scheduler, cut, metrics(METRICS))
    state = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)

    optimizer, scheduler = start()
    optimizer.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])
    assert scheduler.get_last_lr() == [group["lr"] for group in optimizer.param_groups]
    assert first + train(optimizer, scheduler, 10 - cut, metrics(METRICS[cut:])) == whole


def test_state_restores_the_rate_without_the_optimizers_state():
    optimizer = make_optimizer()
    scheduler = GradualWarmupScheduler(optimizer, 1.0, 5, AFTER["cosine"](optimizer))
    train(optimizer, scheduler, 7)
    fresh = make_optimizer()
    GradualWarmupScheduler(fresh, 1.0, 5, AFTER["cosine"](fresh)).load_state_dict(
        scheduler.state_dict()
    )
    assert fresh.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] != BASE


def test_state_of_another_kind_of_scheduler_is_refused():
    optimizer = make_optimizer()
    with_cosine = GradualWarmupScheduler(optimizer, 1.0, 2, AFTER["cosine"](optimizer))
    with pytest.raises(ValueError, match="after_scheduler"):
        GradualWarmupScheduler(make_optimizer(), 1.0, 2).load_state_dict(with_cosine.state_dict())


@pytest.mark.parametrize(
    "arguments",
    [
        {"multiplier": 0.0},
        {"multiplier": -1.0},
        {"multiplier": float("nan")},
        {"multiplier": float("inf")},
        {"total_epoch": -1},
        {"total_epoch": 2.5},
        {"total_epoch": float("inf")},
    ],
)
def test_bad_arguments(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        GradualWarmupScheduler(make_optimizer(), **arguments)


def test_a_scheduler_of_another_optimizer_is_refused():
    foreign = AFTER["cosine"](make_optimizer())
    with pytest.raises(ValueError, match="another optimizer"):
        GradualWarmupScheduler(make_optimizer(), 1.0, 5, foreign)


@pytest.mark.parametrize("after", [*AFTER, "plateau", None])
def test_normal_use_warns_of_nothing(after):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer = make_optimizer()
        other = (AFTER | {"plateau": plateau})[after](optimizer) if after else None
        scheduler = GradualWarmupScheduler(optimizer, 1.0, 2, other)
        train(optimizer, scheduler, 6, METRICS if after == "plateau" else None)


def sequence(optimizer):
    parts = [ConstantLR(optimizer, 1.0, total_iters=2), CosineAnnealingLR(optimizer, 6)]
    return SequentialLR(optimizer, parts, [3])


@pytest.mark.parametrize(
    "after", [sequence, lambda o: ChainedScheduler([StepLR(o, 2), ExponentialLR(o, 0.9)], o)]
)
def test_multiplier_reaches_the_schedulers_inside_another(after):
    optimizer, plain = make_optimizer(), make_optimizer()
    rates = train(optimizer, GradualWarmupScheduler(optimizer, 2.0, 3, after(optimizer)), 12)
    expected = [[2 * rate] for (rate,) in train(plain, after(plain), 9)]
    assert [r for (r,) in rates[3:]] == pytest.approx([r for (r,) in expected])


def test_a_multiplier_that_cannot_reach_is_refused():
    optimizer = make_optimizer()
    cycle = OneCycleLR(optimizer, 0.1, 10, cycle_momentum=False)
    with pytest.raises(ValueError, match=r"multiplier=2\.0 does not reach.*Fix:"):
        GradualWarmupScheduler(optimizer, 2.0, 3, cycle)
    GradualWarmupScheduler(optimizer, 1.0, 3, cycle)


@pytest.mark.parametrize("after", [None, "cosine", "step"])
def test_steps_to_an_epoch_as_in_the_original_package(after):
    def rates(step):
        optimizer = make_optimizer()
        inner = AFTER[after](optimizer) if after else None
        scheduler = GradualWarmupScheduler(optimizer, 1.0, 3, inner)
        seen = []
        for epoch in range(1, 9):  # the original's example: before the epoch, counted from 1
            optimizer.step()
            step(scheduler, epoch)
            seen.append(optimizer.param_groups[0]["lr"])
        return seen

    assert rates(lambda s, epoch: s.step(epoch)) == rates(lambda s, _: s.step())
    assert rates(lambda s, epoch: s.step(epoch=epoch)) == rates(lambda s, _: s.step())


def test_an_epoch_is_not_taken_for_the_loss_of_a_plateau():
    optimizer = make_optimizer()
    warmup = GradualWarmupScheduler(optimizer, 1.0, 2, plateau(optimizer))
    for epoch in range(1, 9):
        optimizer.step()
        warmup.step(epoch, 1 / epoch)  # the loss falls
    assert optimizer.param_groups[0]["lr"] == BASE
    with pytest.raises(ValueError, match=r"needs a metric.*Fix: scheduler\.step\(metrics="):
        warmup.step(9)


def test_epochs_can_be_left_out_and_said_twice_but_not_go_back():
    optimizer, other = make_optimizer(), make_optimizer()
    jumping = GradualWarmupScheduler(optimizer, 1.0, 3, AFTER["step"](optimizer))
    walking = GradualWarmupScheduler(other, 1.0, 3, AFTER["step"](other))
    optimizer.step()
    jumping.step(7)
    jumping.step(7)
    train(other, walking, 7)
    assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"]
    with pytest.raises(ValueError, match=r"epoch=3 is over, this is epoch 7.*Fix:"):
        jumping.step(3)
