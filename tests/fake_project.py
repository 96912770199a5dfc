"""A project that run.py sets up in seconds, without a network: tiny wheels for the large packages.

`make(folder)` lays it out: run.py itself, a pyproject.toml with a build backend of ten lines, and a
folder `wheels`. The stand-in for JupyterLab prints what it was started with, as JSON.
"""

import shutil
import zipfile
from pathlib import Path

RUN = Path(__file__).parents[1] / "run.py"
REQUIREMENTS = {"hdd-mlp-mixer": ("torch>=2.9", "jupyterlab>=4.2; extra == 'dev'")}
JUPYTERLAB = """
import importlib.metadata, json, os, sys
torch = importlib.metadata.version("torch")
print(json.dumps({"argv": sys.argv[1:], "environ": dict(os.environ), "prefix": sys.prefix,
                  "torch": torch}))
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "hdd-mlp-mixer"
version = "1.0"
dependencies = [
    "torch>=2.9",
]

[tool.ruff]
"""
BACKEND = """
import sys
from pathlib import Path
sys.path.insert(0, TESTS)
from fake_project import wheel
def get_requires_for_build_editable(config_settings=None):
    return []
def build_editable(folder, config_settings=None, metadata_directory=None):
    place = str(Path(__file__).parent)
    return wheel(Path(folder), "hdd-mlp-mixer", "1.0", {"hdd_mlp_mixer.pth": place}).name
"""


def wheel(folder, name, version, files):
    """Write a wheel that holds `files`: {path: text}."""
    stem = f"{name.replace('-', '_')}-{version}"
    needs = "".join(f"Requires-Dist: {line}\n" for line in REQUIREMENTS.get(name, ()))
    about = f"{stem}.dist-info/"
    files = files | {
        about + "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"Provides-Extra: dev\n{needs}",
        about + "WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    files[about + "RECORD"] = "".join(f"{path},,\n" for path in [*files, about + "RECORD"])
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


def make(folder):
    """Lay the project out in `folder`; return the folder."""
    (folder / "wheels").mkdir(parents=True)
    (folder / "hdd").mkdir()
    (folder / "hdd" / "__init__.py").touch()
    shutil.copy(RUN, folder)
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    backend = BACKEND.replace("TESTS", repr(str(Path(__file__).parent)))
    (folder / "backend.py").write_text(backend, encoding="utf-8")
    wheel(folder / "wheels", "torch", "2.14.1", {"torch/__init__.py": ""})
    wheel(folder / "wheels", "jupyterlab", "4.6.6", {"jupyterlab.py": JUPYTERLAB})
    return folder
