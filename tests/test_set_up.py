"""run.py: what it makes of the Pythons, environments and settings that people have."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import fake_project
import pytest

ROOT = Path(__file__).parents[1]
STAND_IN = ("python", "-m", "jupyterlab")  # prints what it was started with
needs_posix = pytest.mark.skipif(os.name == "nt", reason="links and signals of POSIX")


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
        "UNFINISHED": tmp_path / ".venv" / "unfinished",
        "LOCK": tmp_path / ".venv.lock",
    }.items():
        monkeypatch.setattr(module, name, path)
    (tmp_path / "pyproject.toml").write_text('[project]\n"torch>=2.9",\n', encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("torch==2.14.1\n", encoding="utf-8")
    return module


def begin(folder, *arguments, **environment):
    """Start run.py in `folder`."""
    command = [sys.executable, str(folder / "run.py"), *arguments]
    options = {"encoding": "utf-8", "errors": "replace", "cwd": folder}
    options |= dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    settings = os.environ | {"PYTHONIOENCODING": "utf-8"} | environment
    if os.name != "nt":
        # Where pytest runs in the background the shell ignores Ctrl-C for it and its children.
        options["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, env=settings, **options)


def ended(process):
    """Wait for run.py; return its exit code, and what it said on stdout and stderr."""
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def start(folder, *arguments, **environment):
    """Run run.py in `folder` to its end."""
    return ended(begin(folder, *arguments, **environment))


def printed(done):
    """Return what the stand-in for JupyterLab printed."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Set up once for all, with variables that would lead pip, Python and pictures elsewhere.

    The first start is interrupted; then two start at once.
    """
    folder = fake_project.make(tmp_path_factory.mktemp("课 程") / "a b")
    interrupted = interrupt(folder) if os.name != "nt" else None
    foreign = {"PIP_USER": "1", "PIP_PREFIX": "elsewhere", "PIP_TARGET": "elsewhere"}
    foreign |= {"PYTHONPATH": "elsewhere", "MPLBACKEND": "Agg", "JUPYTER_PATH": "theirs"}
    words = ("--mirror=wheels", *STAND_IN)
    both = [begin(folder, *words, LC_ALL="zh_CN.UTF-8", **foreign) for _ in range(2)]
    first, second = sorted(map(ended, both), key=lambda done: len(done.stdout), reverse=True)
    return folder, first, second, interrupted


def interrupt(folder):
    """Start a set-up and press Ctrl-C; return how it ended."""
    process = begin(folder, "--mirror=wheels", "setup")
    while not (folder / ".venv" / "unfinished").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    return ended(process)


@needs_posix
def test_an_interrupted_set_up_ends_in_a_line_and_can_start_at_once_again(project):
    _, done, _, interrupted = project
    assert interrupted.returncode == 130
    assert "Traceback" not in interrupted.stderr
    assert "Fix: the same command" in interrupted.stderr
    assert "interrupted; it is made anew" in done.stdout
    assert printed(done)["torch"] == "2.14.1"


def test_of_two_starts_at_once_one_sets_up_and_the_other_waits(project):
    folder, first, second, _ = project
    said = first.stdout.split("{")[0]  # before anything is downloaded
    for word in ("GB", str(folder / ".venv"), str(folder / "wheels")):
        assert word in said
    assert "GB" not in second.stdout
    assert [printed(done)["torch"] for done in (first, second)] == ["2.14.1"] * 2


def test_foreign_settings_are_ignored(project):
    folder, done, *_ = project
    lab = printed(done)
    assert Path(lab["prefix"]) == folder / ".venv"
    assert lab["torch"] == "2.14.1"
    assert not {"MPLBACKEND", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET"} & set(lab["environ"])
    # The kernel of .venv is found before another of the same name.
    paths = lab["environ"]["JUPYTER_PATH"].split(os.pathsep)
    assert paths == [str(folder / ".venv" / "share" / "jupyter"), "theirs"]
    assert not (folder / "elsewhere").exists()


def test_a_second_start_sets_nothing_up(project):
    folder, *_ = project
    done = start(folder, *STAND_IN)  # without --mirror, too: it is remembered
    assert done.stdout.startswith("{")


def test_jupyterlab_opens_in_the_language_of_the_system_and_asks_nothing(project):
    folder, *_ = project
    setting = folder / ".venv" / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    for language, locale in (("zh_CN.UTF-8", "zh_CN"), ("de_DE.UTF-8", "default")):
        start(folder, "lab", LC_ALL=language)
        content = json.loads(setting.read_text(encoding="utf-8"))
        assert content["@jupyterlab/translation-extension:plugin"]["locale"] == locale
        assert content["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


@needs_posix
def test_the_environment_links_to_its_python(project):
    # A copy of a Python that finds its library beside itself does not start.
    folder, *_ = project
    assert (folder / ".venv" / "bin" / "python").is_symlink()


@needs_posix
def test_an_environment_whose_python_is_gone_is_made_anew(run_py):
    run_py.VENV.mkdir()
    run_py.PYTHON.symlink_to("python-that-is-gone")
    assert "does not start" in run_py.damage({}, {})
    run_py.PYTHON.unlink()
    # Not a link to it: beside no pyvenv.cfg it may be a system's Python, without pip.
    run_py.PYTHON.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    run_py.PYTHON.chmod(0o755)
    assert run_py.damage({}, {}) == ""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_the_commands(arguments):
    done = start(ROOT, *arguments)
    assert done.returncode == 0
    for action in ("lab", "test", "execute", "setup"):
        assert f"run.py {action}" in done.stdout
    for option in ("--cpu", "--mirror", "--tested"):
        assert option in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["'frobnicate'", "lab", "test", "execute"]),
        (["--frobnicate", "lab"], ["--frobnicate", "--mirror"]),
        (["--tested=1", "lab"], ["--tested"]),
        (["--cpu", "lab"], ["--cpu", "pytorch.org", "HDD_CPU_INDEX"]),
        (["--cpu=wheels", "lab"], ["--cpu=wheels", "HDD_CPU_INDEX"]),
        (["--mirror=no/such/folder", "lab"], ["no/such/folder", "HDD_MIRROR"]),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told_in_words(arguments, words):
    done = start(ROOT, *arguments, HDD_CPU_INDEX="", HDD_MIRROR="")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in [*words, "Fix:"]:
        assert word in done.stderr


def test_addresses_come_from_variables_too(run_py, monkeypatch, tmp_path):
    monkeypatch.setenv("HDD_CPU_INDEX", "https://cpu.example/")
    choices, rest = run_py.read_choices(["--cpu", f"--mirror={tmp_path}", "--tested", "lab", "--x"])
    assert choices == {"cpu": "https://cpu.example/", "mirror": str(tmp_path), "tested": True}
    assert rest == ["lab", "--x"]


@pytest.fixture
def installs(run_py, monkeypatch):
    """Record pip's command lines instead of running them; `installs.answer` is pip's."""

    class Calls(list):
        answer = (0, "")
        environments = 0

    calls = Calls()

    def make():
        calls.environments += 1
        run_py.VENV.mkdir(exist_ok=True)
        run_py.PYTHON.touch()
        run_py.UNFINISHED.touch()

    def pip(*arguments):
        calls.append(list(arguments))
        return calls.answer

    monkeypatch.setattr(run_py, "make_environment", make)
    monkeypatch.setattr(run_py, "pip", pip)
    monkeypatch.setattr(run_py, "runs", lambda code: run_py.PYTHON.exists())
    monkeypatch.setattr(run_py, "explain", lambda said, choices: "Fix: another index")
    return calls


def test_the_fingerprint_follows_what_is_installed_only(run_py, installs, tmp_path):
    run_py.prepare({})
    run_py.prepare({})
    assert len(installs) == 1
    assert ".[dev]" in installs[0]
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text() + "\n[tool.ruff]\nline-length = 1\n")
    run_py.prepare({})
    assert len(installs) == 1
    project.write_text("[project]\nversion = '2'\n")
    run_py.prepare({})
    assert (len(installs), installs.environments) == (2, 1)


def test_choices_reach_pip_and_are_remembered(run_py, installs, tmp_path):
    run_py.prepare({"mirror": "https://near.example/simple", "tested": True})
    (arguments,) = installs
    assert arguments[arguments.index("--index-url") + 1] == "https://near.example/simple"
    assert arguments[arguments.index("--constraint") + 1] == "constraints.txt"
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    run_py.prepare({})
    assert installs[1] == installs[0]


def test_a_cpu_build_comes_first_and_from_its_own_index(run_py, installs):
    run_py.prepare({"cpu": "https://cpu.example/"})
    torch, rest = installs
    assert torch == ["install", "--index-url", "https://cpu.example/", "torch>=2.9"]
    assert "--index-url" not in rest
    # The other build lies there now: a change of mind takes a new environment.
    run_py.prepare({"cpu": "https://other.example/"})
    assert installs.environments == 2


def test_a_folder_of_wheels_needs_no_network(run_py, installs, tmp_path):
    run_py.prepare({"mirror": str(tmp_path)})
    assert {"--no-index", str(tmp_path)} <= set(installs[0])


@pytest.mark.parametrize("there", [True, False])
def test_help_of_a_command_sets_nothing_up(run_py, monkeypatch, capsys, there):
    seen = []
    monkeypatch.setattr(run_py, "prepare", lambda choices: pytest.fail("it set something up"))
    monkeypatch.setattr(run_py, "hand_over", seen.append)
    monkeypatch.setattr(run_py, "runs", lambda code: there)
    run_py.main(["copies", "--help"])
    assert seen == ([["-m", "hdd.teaching.copies", "--help"]] if there else [])
    assert ("after the first set-up" in capsys.readouterr().out) != there


def test_papermill_keeps_no_progress_bars(run_py, monkeypatch):
    seen = []
    monkeypatch.setattr(run_py.os, "environ", {"PATH": ""})
    monkeypatch.setattr(run_py, "prepare", lambda choices: None)
    monkeypatch.setattr(run_py, "hand_over", lambda _: seen.append(run_py.os.environ.copy()))
    for action in ("python", "papermill"):
        run_py.main([action])
    assert [one.get("TQDM_DISABLE") for one in seen] == [None, "1"]


def test_tests_run_side_by_side_unless_the_user_says_otherwise(run_py, monkeypatch):
    seen = []
    monkeypatch.setattr(run_py.os, "environ", {"PATH": ""})
    monkeypatch.setattr(run_py, "prepare", lambda choices: None)
    monkeypatch.setattr(run_py, "hand_over", seen.append)
    run_py.main(["test", "-n", "0"])
    assert seen == [["-m", "pytest", *run_py.SIDE_BY_SIDE, "-n", "0"]]
    assert run_py.os.environ["OMP_NUM_THREADS"] == "1"


COMPLAINTS = [
    ("OSError: [Errno 28] No space left on device", "disk is full"),
    ("WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'", "index"),
    ("ERROR: HTTP error 403 while getting https://x", "index"),
    ("PermissionError: [Errno 13] Permission denied: '/x'", "may not write"),
    ("[WinError 32] The process cannot access the file because it is being used", "may not write"),
    ("ERROR: No matching distribution found for torch>=2.9", "No package fits Python 3"),
    ("ERROR: torch-1-cp39.whl is not a supported wheel on this platform.", "No package fits"),
    ("something else", "message is above"),
]


@pytest.mark.parametrize(("said", "meaning"), COMPLAINTS, ids=[m for _, m in COMPLAINTS])
def test_what_pip_says_is_explained(run_py, monkeypatch, said, meaning):
    monkeypatch.setattr(run_py, "PYTHON", Path(sys.executable))  # it is asked for its name
    told = run_py.explain(said, {})
    assert meaning in told
    assert "Fix:" in told


def test_the_python_without_a_wheel_is_named(run_py, monkeypatch):
    monkeypatch.setattr(run_py, "PYTHON", Path(sys.executable))
    told = run_py.explain("No matching distribution found for torch", {})
    assert sys.version.split()[0] in told
    assert sysconfig.get_platform() in told


def test_a_first_set_up_that_failed_begins_anew(run_py, installs):
    installs.answer = (1, "x")
    with pytest.raises(SystemExit):
        run_py.prepare({})
    installs.answer = (0, "")
    run_py.prepare({})
    assert installs.environments == 2


def test_an_environment_that_worked_survives_a_failed_update(run_py, installs, tmp_path):
    run_py.prepare({})
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    installs.answer = (1, "Retrying")
    with pytest.raises(SystemExit):
        run_py.prepare({})
    installs.answer = (0, "")
    run_py.prepare({})
    assert installs.environments == 1


@pytest.mark.parametrize(("lost", "environments"), [(False, 1), (True, 2)])
def test_an_interrupted_update_goes_on_unless_something_is_gone(
    run_py, installs, tmp_path, monkeypatch, lost, environments
):
    package = run_py.VENV / "lib" / "python3.12" / "site-packages" / "torch"
    run_py.prepare({})
    package.mkdir(parents=True)
    content = run_py.read_stamp() | {"holds": run_py.installed_names()}
    run_py.STAMP.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_py, "pip", killed)
        with pytest.raises(KeyboardInterrupt):
            run_py.prepare({})
    if lost:
        package.rmdir()
    run_py.prepare({})
    assert (len(installs), installs.environments) == (2, environments)
    assert not run_py.UNFINISHED.exists()


def test_what_was_deleted_is_noticed(run_py, installs, monkeypatch):
    packages = run_py.VENV / "lib" / "python3.12" / "site-packages"
    run_py.prepare({})
    for name in ("torch", "torch-2.14.1.dist-info", "numpy", "numpy.libs", "pkg_resources"):
        (packages / name).mkdir(parents=True)
    run_py.STAMP.write_text(
        json.dumps(run_py.read_stamp() | {"holds": run_py.installed_names()}), encoding="utf-8"
    )
    (packages / "torch-2.14.1.dist-info").rename(packages / "torch-2.14.2.dist-info")  # an upgrade
    (packages / "numpy.libs").rmdir()
    (packages / "pkg_resources").rmdir()
    run_py.prepare({})
    assert installs.environments == 1
    (packages / "numpy").rmdir()
    run_py.prepare({})
    assert installs.environments == 2


@pytest.mark.parametrize("content", ["", "[]", "null", "0123abcd", '{"from": '])
def test_a_stamp_of_other_content_only_installs_again(run_py, installs, content):
    run_py.prepare({})
    run_py.STAMP.write_text(content, encoding="utf-8")
    run_py.prepare({})
    assert (len(installs), installs.environments) == (2, 1)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (subprocess.CalledProcessError(1, "ensurepip"), "python3-venv"),
        (ImportError("No module named 'ensurepip'"), "python3-venv"),
        (PermissionError(13, "Permission denied"), "of your own"),
        (OSError(28, "No space left on device"), "free some disk space"),
        (ValueError("Refusing to create a venv in a:b"), "copy the project"),
    ],
    ids=["no ensurepip", "no module", "read-only", "full", "colon"],
)
def test_where_no_environment_can_be_made_the_reason_is_told(run_py, monkeypatch, error, advice):
    def fail(*_):
        raise error

    monkeypatch.setattr("venv.EnvBuilder.create", fail)
    with pytest.raises(SystemExit) as stop:
        run_py.prepare({})
    assert advice in str(stop.value)
    assert "Fix:" in str(stop.value)


def test_an_installation_elsewhere_is_noticed(run_py, installs, monkeypatch):
    monkeypatch.setattr(run_py, "runs", lambda code: "jupyterlab" not in code)
    with pytest.raises(SystemExit, match=r"elsewhere.*Fix: set PIP_CONFIG_FILE"):
        run_py.prepare({})


def test_without_a_gpu_the_small_build_is_offered(run_py, monkeypatch, capsys):
    monkeypatch.setattr(run_py.sys, "platform", "linux")
    for card, offered in ((None, True), ("/usr/bin/nvidia-smi", False)):
        monkeypatch.setattr(run_py.shutil, "which", lambda name, card=card: card)
        run_py.announce({}, "", True)
        assert ("--cpu" in capsys.readouterr().out) == offered
    run_py.announce({"cpu": "https://cpu.example/"}, "", True)
    assert "--cpu" not in capsys.readouterr().out


@needs_posix
def test_a_console_that_lacks_letters_stops_nothing(tmp_path):
    # As a console in western Europe, with a folder that has a Chinese name.
    folder = tmp_path / "课程"
    folder.mkdir()
    shutil.copy(ROOT / "run.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / ".venv").touch()  # a file: so that it fails after having spoken
    done = start(folder, "setup", PYTHONIOENCODING="latin-1")
    assert "UnicodeEncodeError" not in done.stderr
    assert "Fix:" in done.stderr
