"""A network again from what it was built with, which is kept in it and beside its saved weights."""

import json
from numbers import Integral
from typing import Any

from torch import nn

from hdd.arguments import checked
from hdd.models.baselines import build_baseline
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.token_mixers import MIXER_KINDS, build_mixer


@checked
def describe(net: nn.Module) -> dict[str, str]:
    """Return the metadata of saved weights: the network's `arguments` as JSON, if it has any."""
    arguments = getattr(net, "arguments", None)
    return {} if arguments is None else {"arguments": json.dumps(arguments, default=_plain)}


def _plain(number: Any) -> int | float:
    """Return Python's number for another, such as NumPy's."""
    return int(number) if isinstance(number, Integral) else float(number)


@checked
def build_again(metadata: dict[str, str] | None) -> nn.Module:
    """Return a network with random weights, built as the one that `describe` described.

    Raises:
        ValueError: weights that do not say what network they are of.
    """
    if "arguments" not in (metadata or {}):
        raise ValueError(
            "These weights do not say which network they belong to. Fix: save them with "
            "hdd.train.checkpoint.save_weights, or build the network and load them into it."
        )
    arguments: dict[str, Any] = json.loads(metadata["arguments"])
    if "kind" not in arguments:
        return MLPMixer(**arguments)
    return (build_mixer if arguments["kind"] in MIXER_KINDS else build_baseline)(**arguments)
