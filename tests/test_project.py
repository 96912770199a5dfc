"""The project around the package: versions, set-up script, hygiene of the repository."""

import ast
import collections
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hdd.train.intervals import half_width
from hdd.train.records import load_run, load_runs

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = importlib.metadata.packages_distributions()
if sys.version_info < (3, 11):  # which looks no further than a top_level.txt
    for one in importlib.metadata.distributions():
        for file in one.files or ():
            if file.name == "__init__.py" and len(file.parts) == 2:
                DISTRIBUTIONS.setdefault(file.parts[0], [one.metadata["Name"]])
MODULES = sorted(path for path in (ROOT / "hdd").rglob("*.py"))
# Spelled in pieces, so that this file is not found by its own search.
REGISTRIES = [
    *("pypi" + ".org", "files.python" + "hosted.org", "conda.ana" + "conda.org"),
    "download.py" + "torch.org",
]
MACHINE_FOLDERS = [f"/{name}/" for name in ("work", "root")]


def requirement_names(requirements):
    return {
        re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")
        for requirement in requirements
    }


DIRECT = requirement_names(PROJECT["dependencies"])
DEV = requirement_names(PROJECT["optional-dependencies"]["dev"])


def test_environment_yml_agrees_with_pyproject():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    start = lines.index("dependencies:")
    assert lines[start + 1 :] == [
        "python" + PROJECT["requires-python"] + ",<3.15",  # conda would take the newest there is
        "pip",
        "pip:",
        "-e .[dev]",
    ]


def test_run_py_wants_the_same_python_as_pyproject():
    text = (ROOT / "run.py").read_text(encoding="utf-8")
    oldest = re.search(r"^OLDEST = \((\d+), (\d+)\)$", text, flags=re.M)
    assert f">={oldest[1]}.{oldest[2]}" == PROJECT["requires-python"]


def test_every_dependency_has_a_lower_bound_and_nothing_else():
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+(post\d+)?", requirement), requirement


CONSTRAINTS = dict(
    re.match(r"([\w.-]+)==([\w.]+)", line).groups()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def test_every_dependency_has_a_tested_version_that_its_bound_allows():
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        name, bound = requirement.lower().replace("_", "-").split(">=")
        assert numbers(CONSTRAINTS[name]) >= numbers(bound), requirement


def test_tested_versions_name_no_address():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search("://|@|^-", text, flags=re.M)


def test_one_version_and_one_date():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    version = re.search(r"^version: (\S+)$", citation, flags=re.M)[1]
    date = re.search(r'^date-released: "(\S+)"$', citation, flags=re.M)[1]
    assert version == PROJECT["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (.*)$", changes, flags=re.M)[1]
    assert newest == f"{version} · {date}"


def test_the_citation_has_what_its_schema_asks_for():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for work in (citation, citation["preferred-citation"]):
        assert work["title"]
        assert all({"name"} <= set(one) or {"family-names"} <= set(one) for one in work["authors"])
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["type"] in ("software", "dataset")
    assert citation["license"] == PROJECT["license"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", citation["date-released"])  # a text, no date
    assert set(citation) <= {
        *("abstract", "authors", "cff-version", "date-released", "doi", "keywords", "license"),
        *("message", "preferred-citation", "repository-code", "title", "type", "url", "version"),
    }


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
OF_A_WORKFLOW = {"name", "permissions", "concurrency", "defaults", "env", "jobs", True}  # True: on
OF_A_JOB = {
    *("name", "runs-on", "needs", "if", "timeout-minutes", "strategy", "steps", "outputs"),
    *("environment", "env", "permissions"),
}
OF_A_STEP = {"id", "name", "if", "uses", "with", "run", "env", "shell"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one(path):
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)  # YAML takes `on` for a truth value
    assert set(workflow) <= OF_A_WORKFLOW
    assert workflow[True]
    for job in workflow["jobs"].values():
        assert set(job) <= OF_A_JOB
        assert {job.get("needs")} <= {None, *workflow["jobs"]}
        for step in job["steps"]:
            assert set(step) <= OF_A_STEP
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))
    contexts = re.findall(r"\$\{\{\s*(\w+)", text)
    assert len(contexts) == text.count("${{") == text.count("}}")
    assert set(contexts) <= {"env", "github", "matrix", "needs", "secrets", "steps"}


COMMANDS = re.findall(r"^    python3 run\.py (\w+)", (ROOT / "run.py").read_text("utf-8"), re.M)
OPTIONS = r"(?:\"\$\{options\[@\]\}\" |\$\{HDD_CPU_INDEX:\+--cpu\} |--\w+(?:=\S+)? )*"
PLACES = [
    *(ROOT / ".github" / "workflows").glob("*.yml"),
    *[ROOT / name for name in ("README.md", "CONTRIBUTING.md", ".devcontainer/devcontainer.json")],
]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: path.name)
def test_commands_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(rf"python3? run\.py {OPTIONS}(\w+)", text)
    assert named
    assert set(named) <= set(COMMANDS)


def test_workflows_cover_systems_pythons_and_versions():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    for system in ("ubuntu", "macos", "windows"):
        assert f"{system}-latest" in text
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert f'python: ["{oldest}", "' in text
    assert "versions: [tested, lowest, newest]" in text
    # The expression that makes every lower bound the only version finds every dependency.
    found = re.findall(
        r'^ *"([A-Za-z_-]+)>=([0-9a-z.]+)",', (ROOT / "pyproject.toml").read_text(), re.M
    )
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert [f"{name}>={bound}" for name, bound in found] == wanted


def test_a_clone_by_git_for_windows_has_the_same_bytes(tmp_path):
    committed_files()  # skips outside a checkout
    git = ["git", "-c", "safe.directory=*", "-c", "core.autocrlf=true"]
    clone = tmp_path / "clone"
    subprocess.run([*git, "clone", "-q", "--no-checkout", str(ROOT), str(clone)], check=True)
    names = [".gitattributes", "tests/data/mlp_mixer_seed.txt", ".ci/run", "run.py"]
    subprocess.run([*git, "checkout", "-q", "HEAD", "--", *names], cwd=clone, check=True)
    for name in names[1:]:
        committed = [*git, "cat-file", "blob", f"HEAD:{name}"]
        content = subprocess.run(committed, cwd=clone, capture_output=True, check=True).stdout
        assert (clone / name).read_bytes() == content, name


FONTS_AND_LIBRARIES = (".otf", ".ttf", ".woff", ".woff2", ".min.js", ".min.css")


def test_whatever_others_made_has_its_licence_named():
    listed = (ROOT / "resources" / "LICENSES.md").read_text(encoding="utf-8")
    for path in committed_files():
        if path.name.endswith(FONTS_AND_LIBRARIES):
            assert path.name in listed, path
    for word in ("Fashion-MNIST", "CIFAR-10", "MIT"):
        assert word in listed


def slug(heading):
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


PAGES = [*ROOT.glob("*.md"), *(ROOT / "hdd").glob("*.md"), *(ROOT / "resources").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    anchors = {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text):
        place, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            assert re.fullmatch(r"https://[\w-]+(\.[\w-]+)+(/[^\s<>]*)?", target), target
        elif place:
            assert (page.parent / place).exists(), target
        else:
            assert anchor in anchors, target


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
            text = re.sub(r'"image/[^"]+": "[^"]*"|base64,[^"\\]*', "", text)
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


@functools.cache
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path):
    return set(imported_names(parse(path)))


def test_hdd_imports_direct_dependencies_only():
    for path in MODULES:
        # Executing notebooks and comparing with other packages are not needed to use the library.
        optional = path.name in (
            *("execute.py", "lab.py", "copies.py", "glossary.py", "colab.py"),
            *("benchmark.py", "baselines.py", "timm_twin.py", "nb03.py"),
            *("course.py", "markup.py", "pages.py"),
        )
        allowed = DIRECT | (DEV if optional else set())
        for name in {name.split(".")[0] for name in imports(path)}:
            if name not in sys.stdlib_module_names and name != "hdd":
                providers = {d.lower().replace("_", "-") for d in DISTRIBUTIONS.get(name, [])}
                assert providers & allowed, f"{path} imports {name}"


def test_every_direct_dependency_is_imported():
    imported = {name.split(".")[0] for path in MODULES for name in imports(path)}
    provided = {
        d.lower().replace("_", "-") for name in imported for d in DISTRIBUTIONS.get(name, [])
    }
    assert provided >= DIRECT


def notebook_code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


SCRIPTS = sorted((ROOT / "resources").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def test_every_module_of_hdd_is_used():
    """By a notebook, a command or a script, itself or through others; tests don't count."""
    commands = re.findall(r'"(hdd[\w.]*)"', (ROOT / "run.py").read_text(encoding="utf-8"))
    new = {n for path in NOTEBOOKS for n in imported_names(ast.parse(notebook_code(path)))}
    roots = [path for path in MODULES if path.name == "__main__.py" or is_command(path)]
    new = new.union(*map(imports, [*roots, *SCRIPTS]))
    used = {module_name(path) for path in MODULES if is_command(path)} | set(commands)
    modules = {module_name(path): path for path in MODULES}
    new |= used
    while new:
        used |= new
        new = {n for m in new if m in modules for n in imports(modules[m])} - used
    for name, path in modules.items():
        # The exercises of notebook 02 are imported by name when one of them is checked.
        notebook = re.fullmatch(r"nb(\d\d)", path.stem)
        if notebook:
            assert list((ROOT / "notebooks").glob(f"{notebook[1]}_*.ipynb")), path
        elif path.name not in ("__init__.py", "__main__.py"):
            assert name in used, f"no notebook, command or script reaches {name}"


def is_command(path):
    return "__main__" in path.read_text(encoding="utf-8")


def test_nothing_is_left_that_only_tests_call():
    texts = [path.read_text(encoding="utf-8") for path in [*MODULES, *SCRIPTS, ROOT / "run.py"]]
    words = re.findall(r"\w+", "\n".join([*texts, *map(notebook_code, NOTEBOOKS)]))
    counts = collections.Counter(words)
    document = (ROOT / "tests" / "data" / "mlp_mixer_seed.txt").read_text(encoding="utf-8")
    for path in MODULES:
        for node in parse(path).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                used = counts[node.name] > 1 or node.name in document
                assert used, f"only tests call {module_name(path)}.{node.name}"


# Imports point from a floor to its own or a lower one.
FLOORS = {"arguments": 0, "command": 0, "files": 0, "progress": 0, "device": 0, "timing": 1}
FLOORS |= {"models": 1, "dataset": 1, "data_util": 1, "train": 2, "tasks": 3, "benchmark": 4}
APART = {
    "visualization": {"models"},
    "teaching": {"visualization", "tasks", "train", "dataset", "models"},
}


def test_no_import_runs_upwards():
    for path, name in ((p, n) for p in MODULES for n in imports(p)):
        room = [*module_name(path).split("."), ""][1]
        other = [*name.split("."), ""][1] if name.split(".")[0] == "hdd" else ""
        if not other or other == room:
            continue
        if room in APART:
            assert FLOORS.get(other) == 0 or other in APART[room], f"{path}: {name}"
        else:
            assert FLOORS[other] <= FLOORS[room], f"{path}: {name}"


def test_every_folder_of_hdd_is_a_package():
    for folder in {path.parent for path in MODULES}:
        assert (folder / "__init__.py").exists(), folder


def code_lines(function, lines):
    """Count the lines of a function's body but for docstring, comments and blank lines."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    inside = lines[body[0].lineno - 1 : function.end_lineno] if body else []
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in inside)


def test_functions_are_short():
    for path in [*MODULES, ROOT / "run.py"]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert code_lines(node, lines) <= 30, f"{path}: {node.name}"


def test_run_py_needs_the_standard_library_only():
    names = {name.split(".")[0] for name in imported_names(parse(ROOT / "run.py"))}
    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def spread(records):
    """Return the words in which README quotes test accuracies over seeds."""
    percent = [100 * record["test_accuracy"] for record in records]
    mean, n = sum(percent) / len(percent), len(percent)
    if n == 2:  # whose interval would be wider than anything that is known
        return f"{mean:.2f}% ({min(percent):.2f}–{max(percent):.2f}, n = 2)"
    return f"{mean:.2f}% ± {half_width(percent):.2f} (n = {n})"


def readme_in(language):
    """Return the README's part in one language."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("**", "")
    chinese, english = text.split("\n## English\n")
    return chinese.split("\n## 中文\n")[1] if language == "zh" else english.split("\n## ")[0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_readme_quotes_the_recorded_results(language):
    readme = readme_in(language)
    for optimizer in ("muon", "adam"):
        assert spread(load_runs(f"04_fashion_mnist_mini_{optimizer}_seed")) in readme
    for size in ("2", "4", "8", "16", "8_48_epochs", "16_48_epochs"):
        assert spread(load_runs(f"cifar10_patch{size}_seed")) in readme
    for precision in ("bfloat16", "float32"):
        assert spread(load_runs(f"precision_{precision}_seed")) in readme
    assert spread(load_runs("ladder_1_document_seed")) in readme
    long_runs = [load_run(f"cifar10_patch4_60_epochs{seed}") for seed in ("", "_seed1", "_seed2")]
    assert spread(long_runs) in readme


@pytest.mark.parametrize("language", ["zh", "en"])
def test_readme_quotes_the_speed_tables(language):
    readme, records = readme_in(language), [load_run("speed"), load_run("speed_float32")]
    assert [record["precision"] for record in records] == ["bfloat16", "float32"]
    steps = [record["training_step_seconds"] for record in records]
    assert steps[0].keys() == steps[1].keys()
    for name in steps[0]:
        cells = ""
        for table in steps:
            seconds, timm = table[name]["median"], table["timm"]["median"]
            cells += f"| {1e3 * seconds:.0f} ms | {timm / seconds:.2f} "
        assert cells + "|" in readme, name
    for rate in records[0]["augmentation_images_per_second"].values():
        assert f"{rate:,.0f}" in readme
    for seconds in [*records[1]["muon_step_seconds"].values(), records[0]["proof_seconds"]]:
        assert f"{1e3 * seconds:,.0f} ms" in readme


def test_readme_has_the_same_outline_in_both_languages():
    outlines = []
    for language in ("zh", "en"):
        text = re.sub(r"```.*?```", "```", readme_in(language), flags=re.DOTALL)
        outlines.append(re.findall(r"^(###|```|\| ---.*|!\[)", text, flags=re.MULTILINE))
    assert outlines[0] == outlines[1]
    assert len(outlines[0]) > 15


def test_each_half_of_the_readme_is_in_its_language():
    plain = [
        re.sub(r"```.*?```|`[^`]*`|\([^)]*\)", "", readme_in(x), flags=re.DOTALL)
        for x in ("zh", "en")
    ]
    han = [len(re.findall(r"[\u4e00-\u9fff]", text)) for text in plain]
    assert han[0] > 1500
    assert han[1] < 20  # the name of the language button
