"""Recorded runs: a JSON file each, with everything needed to know where a number comes from."""

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
import torchvision

RUNS = Path(__file__).parents[2] / "resources" / "runs"


def _device_name(device: str | torch.device) -> str:
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{kind}, {torch.get_num_threads()} threads, {platform.machine()}"


def provenance(device: str | torch.device) -> dict[str, Any]:
    """Return where and when a figure was made: device, versions, date."""
    return {
        "device": _device_name(device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "date": datetime.date.today().isoformat(),
    }


def save_run(name: str, content: dict[str, Any], device: str | torch.device) -> Path:
    """Write `resources/runs/<name>.json`: `content` plus device, versions and date.

    An existing record is replaced only once the new one is complete.
    """
    record = {**content, **provenance(device)}
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def load_run(name: str) -> dict[str, Any]:
    """Return the record `resources/runs/<name>.json`.

    Raises:
        FileNotFoundError: no such record; the message lists those that exist.
    """
    path = RUNS / f"{name}.json"
    if not path.exists():
        known = sorted(p.stem for p in RUNS.glob("*.json"))
        raise FileNotFoundError(f"No recorded run {name!r}. Fix: one of {known}.")
    return json.loads(path.read_text(encoding="utf-8"))
