"""What a run leaves in its folder: written whole, read with suspicion."""

import io
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from hdd.arguments import checked, shown
from hdd.files import expanded, write_atomically
from hdd.models.networks import describe
from hdd.train.recipe import Recipe

CHECKPOINT, WEIGHTS, HISTORY = "checkpoint.pt", "weights.safetensors", "history.json"


@checked
def save_weights(path: str | Path, net: nn.Module, names: list[str] | None = None) -> None:
    """Write the network's weights, or those called `names`, as safetensors.

    What the network was built with goes along, for `hdd.models.networks.build_again`.

    Raises:
        ValueError: no names, or some that the network's weights do not have.
        OSError: the file cannot be written; what was there before is untouched.
    """
    # Copies: safetensors refuses what several names share.
    state = {k: v.cpu().contiguous().clone() for k, v in net.state_dict().items()}
    wanted = list(state) if names is None else names
    if not wanted or not set(wanted) <= set(state):
        unknown = [name for name in wanted if name not in state]
        raise ValueError(
            f"names={shown(unknown)} are no weights of {type(net).__name__}. "
            "Fix: names of net.state_dict()."
        )
    chosen = {name: state[name] for name in wanted}
    write_atomically(expanded(path), safetensors.torch.save(chosen, describe(net)))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write what `read_checkpoint` reads."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Return the state that an earlier run left.

    Raises:
        OSError: the file cannot be read.
        ValueError: a damaged file, or one of another recipe.
    """
    content = path.read_bytes()  # an OSError here, such as no permission, is no damage
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        saved = {name: v for name, v in state["recipe"].items() if v is not None}
    except Exception as error:  # many kinds of damage, many kinds of exceptions
        raise damaged(path, error) from error
    wanted = recipe.as_dict()
    other = sorted(name for name in saved | wanted if saved.get(name) != wanted.get(name))
    if other:
        listing = ", ".join(f"{name}={saved.get(name)!r}" for name in other)
        raise ValueError(f"{path} was made with {listing}. Fix: the same, or another folder.")
    return state


def damaged(path: Path, error: Exception) -> ValueError:
    """Return what to raise for a checkpoint that cannot be used."""
    return ValueError(
        f"Checkpoint {path} is damaged ({type(error).__name__}). "
        "Fix: start again in another folder; this one is left as it is."
    )
