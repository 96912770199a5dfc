"""Why is a Mixer below chance on look-ups at new positions? With which sign token 0 reads there.

    python resources/experiments/unseen_sign.py

Writes resources/runs/unseen_sign.json: for networks with weights per place, trained on matches at
positions 1 to 8, by how much the logit of the match's own value exceeds the mean of all values, at
each position (notebook 09).
"""

import sys

import torch
from jobs import finished, save, start

from hdd.tasks.look_up import look_up, look_up_accuracy, look_up_loss
from hdd.tasks.sharing import ladder_net
from hdd.tasks.token_net import learn

SEEDS = (7, 13, 23, 42, 101)
STEPS, BATCH, LR, TEST = 1000, 128, 5e-3, 1000
PLACES = torch.arange(1, 16)  # the match was at 1 to 8 in training


@torch.no_grad()
def own_value(net: torch.nn.Module, place: int, seed: int) -> float:
    """Return the mean logit of the right value, less the mean of all values."""
    generator = torch.Generator().manual_seed(seed)
    tokens, answers = look_up(TEST, torch.tensor([place]), generator)
    logits = net(tokens)[:, 0]  # (TEST, values)
    centred = logits - logits.mean(1, keepdim=True)
    return centred.gather(1, answers[:, None]).mean().item()


def train(seed: int) -> list[list[float]]:
    """Return the right value's logit, and accuracy in %, each by the position of the match."""
    net = ladder_net("weights per place", positions=False, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    learn(net, lambda: look_up(BATCH, PLACES[:8], generator), look_up_loss, STEPS, LR)
    logits = [round(own_value(net, place, seed), 2) for place in PLACES.tolist()]
    accuracy = look_up_accuracy(net, PLACES, seed=seed)
    return [logits, [round(100 * share, 1) for share in accuracy]]


def main() -> None:
    """Train all networks and write the record."""
    results = finished("unseen_sign", [(seed,) for seed in SEEDS], train)
    if results is None:
        return
    content = {
        "command": "python resources/experiments/unseen_sign.py",
        "settings": {"steps": STEPS, "batch": BATCH, "lr": LR, "test_per_place": TEST},
        "seeds": SEEDS,
        "places": PLACES.tolist(),
        "own_value_logit": [logits for logits, _ in results.values()],
        "accuracy": [accuracy for _, accuracy in results.values()],
    }
    save("unseen_sign", content)


if __name__ == "__main__":
    sys.exit(start(main))
