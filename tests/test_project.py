"""The project around the package: versions, set-up script, hygiene of the repository."""

import ast
import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.train.recipe import Recipe
from hdd.train.records import CHECKPOINTS, RUNS, load_run, load_runs, load_weights

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = sorted(path for path in (ROOT / "hdd").rglob("*.py"))
# Spelled in pieces, so that this file is not found by its own search.
REGISTRIES = [
    *("pypi" + ".org", "files.python" + "hosted.org", "conda.ana" + "conda.org"),
    "download.py" + "torch.org",
]
MACHINE_FOLDERS = [f"/{name}/" for name in ("work", "root")]


@pytest.fixture
def run_py(monkeypatch, tmp_path):
    """Import run.py with its folder moved to an empty one, so that no test touches .venv."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "PYTHON": tmp_path / ".venv" / "python",
        "STAMP": tmp_path / ".venv" / "installed-from",
    }.items():
        monkeypatch.setattr(module, name, path)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return module


def requirement_names(requirements):
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


DIRECT = requirement_names(PROJECT["dependencies"])
DEV = requirement_names(PROJECT["optional-dependencies"]["dev"])


def test_environment_yml_agrees_with_pyproject():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    start = lines.index("dependencies:")
    assert lines[start + 1 :] == [
        "python" + PROJECT["requires-python"],
        "pip",
        "pip:",
        "-e .[dev]",
    ]


def test_run_py_wants_the_same_python_as_pyproject(run_py):
    assert ">=" + ".".join(map(str, run_py.OLDEST)) == PROJECT["requires-python"]


def test_every_dependency_has_a_lower_bound_and_nothing_else():
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), requirement


def test_lower_bound_of_torch_has_muon():
    (torch_bound,) = (r for r in PROJECT["dependencies"] if r.startswith("torch>"))
    major, minor = map(int, torch_bound.split(">=")[1].split(".")[:2])
    assert (major, minor) >= (2, 9)


def committed_files():
    """Return every file that git tracks or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_committed_file_names_a_registry_or_a_machine():
    searched = 0
    for path in committed_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue  # pictures and arrays
        searched += 1
        text = content.decode("utf-8")
        if path.suffix == ".ipynb":  # the letters of a picture can spell anything
            text = re.sub(r'"image/[^"]+": "[^"]*"', "", text)
        for word in REGISTRIES:
            assert word not in text, f"{path}: {word}"
        for folder in MACHINE_FOLDERS:
            assert not re.search(r"(?<![\w.~])" + folder, text), f"{path}: {folder}"
    assert searched > 30


def imported_names(tree):
    """Yield the full names of the modules, or members of modules, that a syntax tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_hdd_imports_direct_dependencies_only():
    distributions = importlib.metadata.packages_distributions()
    for path in MODULES:
        # Executing notebooks and comparing with other packages are not needed to use the library.
        optional = path.name in ("execute.py", "benchmark.py", "baselines.py", "timm_twin.py")
        allowed = DIRECT | (DEV if optional else set())
        for name in {name.split(".")[0] for name in imported_names(parse(path))}:
            if name not in sys.stdlib_module_names and name != "hdd":
                providers = {d.lower() for d in distributions.get(name, [])}
                assert providers & allowed, f"{path} imports {name}"


def test_every_direct_dependency_is_imported():
    imported = {name.split(".")[0] for path in MODULES for name in imported_names(parse(path))}
    distributions = importlib.metadata.packages_distributions()
    provided = {d.lower() for name in imported for d in distributions.get(name, [])}
    assert provided >= DIRECT


def notebook_code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def test_every_module_of_hdd_is_used():
    used = set((ROOT / "run.py").read_text(encoding="utf-8").replace('"', " ").split())
    used = {word.strip(",") for word in used}
    scripts = (ROOT / "resources").rglob("*.py")  # they make the records
    for path in [*MODULES, *scripts, *(ROOT / "tests").glob("*.py")]:
        used |= set(imported_names(parse(path)))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        used |= set(imported_names(ast.parse(notebook_code(path))))
    for path in MODULES:
        if path.name not in ("__init__.py", "__main__.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            assert name in used, f"nobody imports {name}"


def test_every_folder_of_hdd_is_a_package():
    for folder in {path.parent for path in MODULES}:
        assert (folder / "__init__.py").exists(), folder


def code_lines(function, lines):
    """Count the lines of a function's body but for docstring, comments and blank lines."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    inside = lines[body[0].lineno - 1 : function.end_lineno] if body else []
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in inside)


@pytest.mark.parametrize("path", [*MODULES, ROOT / "run.py"], ids=lambda p: p.stem)
def test_functions_are_short(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node, lines) <= 30, node.name


def test_run_py_needs_the_standard_library_only():
    names = {name.split(".")[0] for name in imported_names(parse(ROOT / "run.py"))}
    assert names <= sys.stdlib_module_names


def call_run_py(*arguments):
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_the_commands(arguments):
    done = call_run_py(*arguments)
    assert done.returncode == 0
    for action in ("lab", "test", "execute"):
        assert f"run.py {action}" in done.stdout


def test_unknown_command_fails_and_names_the_commands():
    done = call_run_py("frobnicate")
    assert done.returncode not in (0, None)
    for word in ("'frobnicate'", "Fix:", "lab", "test", "execute"):
        assert word in done.stderr


def test_fingerprint_follows_pyproject(run_py, tmp_path):
    before = run_py.fingerprint()
    assert run_py.fingerprint() == before
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    assert run_py.fingerprint() != before


@pytest.fixture
def installs(run_py, monkeypatch):
    """Record pip's command lines instead of running them; `installs.code` is pip's answer."""

    class Calls(list):
        code = 0

    calls = Calls()

    def create(folder, **_):
        folder.mkdir(exist_ok=True)
        run_py.PYTHON.touch()

    def run(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, calls.code)

    monkeypatch.setattr(run_py.venv, "create", create)
    monkeypatch.setattr(run_py.subprocess, "run", run)
    return calls


def test_second_start_installs_nothing(run_py, installs, tmp_path):
    run_py.prepare()
    run_py.prepare()
    assert len(installs) == 1
    assert ".[dev]" in installs[0]
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    run_py.prepare()
    assert len(installs) == 2


def test_a_failed_installation_is_reported_and_tried_again(run_py, installs):
    installs.code = 1
    with pytest.raises(SystemExit, match="Fix:"):
        run_py.prepare()
    installs.code = 0
    run_py.prepare()
    assert len(installs) == 2


def test_a_python_without_venv_is_told_what_to_install(run_py, installs, monkeypatch):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(1, "ensurepip")

    monkeypatch.setattr(run_py.venv, "create", fail)
    with pytest.raises(SystemExit, match="python3-venv"):
        run_py.prepare()
    assert installs == []


def test_lab_opens_the_first_notebook_and_hands_options_on(run_py):
    command = run_py.command("lab", ["--no-browser"])
    assert command[:2] == ["-m", "jupyterlab"]
    assert any(word.endswith("notebooks/00_overview.ipynb") for word in command)
    assert command[-1] == "--no-browser"
    assert run_py.command("test", ["-x"]) == ["-m", "pytest", "-x"]
    assert run_py.command("execute", ["02"]) == ["-m", "hdd.teaching.execute", "02"]


def test_continuous_integration_runs_the_test_command():
    assert "python3 run.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_readme_names_both_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("python3 run.py lab", "python3 run.py test"):
        assert command in readme


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def spread(records):
    """Return the words in which README quotes test accuracies over seeds."""
    percent = [100 * record["test_accuracy"] for record in records]
    mean, n = sum(percent) / len(percent), len(percent)
    if n == 1:
        return f"{mean:.2f} % (n = 1)"
    return f"{mean:.2f} % ({min(percent):.2f} – {max(percent):.2f}, n = {n})"


def test_readme_quotes_the_recorded_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("**", "")
    for optimizer in ("muon", "adam"):
        assert spread(load_runs(f"04_fashion_mnist_mini_{optimizer}_seed")) in readme
    for size in (2, 4, 8, 16):
        assert spread(load_runs(f"cifar10_patch{size}_seed")) in readme
    for precision in ("bfloat16", "float32"):
        assert spread(load_runs(f"precision_{precision}_seed")) in readme
    assert spread(load_runs("ladder_1_document_seed")) in readme
    assert spread([load_run("cifar10_patch4_60_epochs")]) in readme


def test_readme_quotes_the_speed_tables():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    records = [load_run("speed"), load_run("speed_float32")]
    assert [record["precision"] for record in records] == ["bfloat16", "float32"]
    steps = [record["training_step_seconds"] for record in records]
    assert steps[0].keys() == steps[1].keys()
    for name in steps[0]:
        cells = ""
        for table in steps:
            seconds, base = table[name]["median"], table["ours"]["median"]
            cells += f"| {1e3 * seconds:.0f} ms | {seconds / base:.2f} "
        assert cells + "|" in readme, name
    for rate in records[0]["augmentation_images_per_second"].values():
        assert f"{rate:,.0f}" in readme
    for seconds in records[1]["muon_step_seconds"].values():
        assert f"{1e3 * seconds:,.0f} ms" in readme


TRAINED = [path.stem for path in RUNS.glob("*.json") if "recipe" in load_run(path.stem)]


@pytest.mark.parametrize("name", TRAINED)
def test_a_recorded_training_says_where_it_comes_from(name):
    record = load_run(name)
    recipe = Recipe(**record["recipe"])
    assert record["command"].startswith("python -m hdd.train ")
    assert f"--epochs {recipe.epochs}" in record["command"]
    assert {len(values) for values in record["history"].values()} == {recipe.epochs}
    assert {"device", "versions", "date", "precision", "parameters", "macs"} <= set(record)
    assert name.endswith((f"seed{recipe.seed}", "60_epochs"))


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("*.safetensors")), ids=lambda p: p.stem)
def test_recorded_weights_fit_their_network(path):
    recipe, weights = Recipe(**load_run(path.stem)["recipe"]), load_weights(path.stem)
    net = MLPMixer(patch_size=recipe.patch_size, dim=recipe.dim, depth=recipe.depth)
    net.load_state_dict(weights)
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_records_stay_small():
    files = [p for folder in (RUNS, CHECKPOINTS) for p in folder.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 20 * 2**20
