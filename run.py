#!/usr/bin/env python3
"""Everything a newcomer does, with nothing but Python installed.

    python3 run.py lab [jupyter options]     open JupyterLab on the first notebook
    python3 run.py test [pytest options]     run all tests and all notebooks
    python3 run.py execute [names]           run notebooks in place (default: all), e.g. 02 04
    python3 run.py seeds 7 23 101            run notebooks with other seeds: do conclusions hold?
    python3 run.py papermill [options]       run a notebook with other parameters
    python3 run.py explorer                  build resources/explorer.html from its sources
    python3 run.py copies [names]            notebooks for a class: students', instructors'
    python3 run.py colab [names]             notebooks that install the course where they are opened
    python3 run.py site                      pages to read without Jupyter, in site/
    python3 run.py site --students           the same without answers, in copies/students/site/
    python3 run.py slides                    slides to lecture with, in slides/
    python3 run.py python [options]          the project's Python, e.g. -m hdd.train --help
    python3 run.py setup                     only set up

The first start makes .venv beside this file and installs the project into it; later starts only
look whether it is whole and up to date. Before the command there may stand, and is remembered:

    --cpu=ADDRESS       on Linux, PyTorch without CUDA: a quarter of the space
    --mirror=ADDRESS    packages from this index, or from this folder of wheels, without a network
    --tested            the versions of constraints.txt, with which all tests have passed

`--cpu` and `--mirror` alone take the address from the variables HDD_CPU_INDEX and HDD_MIRROR.
"""

import contextlib
import hashlib
import json
import locale
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed-from"  # what a finished set-up was made from
UNFINISHED = VENV / "unfinished"  # there while a set-up is at work: choices, names before it
LOCK = ROOT / ".venv.lock"
OLDEST = (3, 10)
MODULES = {
    "lab": "hdd.teaching.lab",
    "test": "pytest",
    "execute": "hdd.teaching.execute",
    "seeds": "hdd.teaching.seeds",
    "papermill": "papermill",
    "explorer": "hdd.teaching.explorer",
    "copies": "hdd.teaching.copies",
    "colab": "hdd.teaching.colab",
    "site": "hdd.teaching.site",
    "slides": "hdd.teaching.site.slides",
}
# Two processes share the tests, file by file, each with one thread: quicker than one with two.
# The notebooks come first, for these take longest. A later -n 0 is obeyed instead.
SIDE_BY_SIDE = ["--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder"]
# To download and on the disk, in GB; see "Set-up" in README.
SIZES = {"cuda": (3.1, 6.6), "cpu": (0.4, 1.5)}
ADDRESSES = {
    "cpu": (
        "HDD_CPU_INDEX",
        "pytorch.org shows the address of its index for CPUs under `Get Started` (Pip, CPU), "
        "behind --index-url.",
    ),
    "mirror": (
        "HDD_MIRROR",
        "A university's or a provider's mirror shows its address on its help page (it often ends "
        "in /simple); a folder of wheels will do, too.",
    ),
}
# Variables that would lead Python, Jupyter or Matplotlib away from .venv and from pictures.
FOREIGN = {
    *("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONUSERBASE"),
    *("__PYVENV_LAUNCHER__", "MPLBACKEND"),
}
# Of pip's variables those that say whence and how to download; others say where to install, ...
OF_PIP = re.compile(
    r"PIP_((EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|PROXY|(CLIENT_)?CERT|RETRIES|"
    r"(DEFAULT_)?TIMEOUT|(NO_)?CACHE_DIR|CONSTRAINT|CONFIG_FILE|KEYRING_PROVIDER|"
    r"DISABLE_PIP_VERSION_CHECK)"
)
# What pip says when it fails, and what to do about it.
REASONS = {
    r"No space left|Errno 28|not enough space|[Qq]uota": (
        "The disk is full. Fix: free some space ({size:.1f} GB are needed in {folder}, and room "
        "for pip's cache)."
    ),
    r"Retrying|onnection|timed out|name resolution|getaddrinfo|Proxy|SSL|HTTP error|Could not "
    r"fetch|unreachable": (
        "The package index could not be reached. Fix: check network, proxy and address; a nearer "
        "index: --mirror=ADDRESS; without a network: --mirror=FOLDER (see README)."
    ),
    r"Permission denied|Read-only|WinError 5\b|WinError 32\b|Access is denied": (
        "pip may not write into {folder}. Fix: close programs that use it, or copy the project to "
        "a folder of your own."
    ),
    r"No matching distribution|not a supported wheel|from versions|ResolutionImpossible": (
        "No package fits {python}. PyTorch is made for 64-bit CPython on Linux with glibc, macOS "
        "on Apple silicon, and Windows on x86-64; a new Python takes it some months. Fix: another "
        "Python (3.10 or newer, 64 bit); on an Intel Mac, 32 bits or Alpine, another machine."
    ),
}


def own_environment():
    """Take out of os.environ what would lead elsewhere than into .venv."""
    for name in list(os.environ):
        of_pip = name.upper().startswith("PIP_")
        if name in FOREIGN or (of_pip and not OF_PIP.fullmatch(name.upper())):
            del os.environ[name]
    os.environ["PIP_USER"] = "0"  # a configuration file may say otherwise
    # A foreign kernel may be named python3, too: the one in .venv is to be found first.
    paths = [str(VENV / "share" / "jupyter"), os.environ.get("JUPYTER_PATH")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(path for path in paths if path)
    os.environ.setdefault("PYTHONIOENCODING", ":replace")  # consoles that lack a letter
    speak_utf8()
    if os.name == "nt":
        os.environ.setdefault("USE_LIBUV", "0")  # torchrun wants it, PyTorch for Windows lacks it


def speak_utf8():
    """Where the locale is C, or one that is not installed, give children one that has all letters.

    Python reads the folder's name from a file of .venv in the locale's encoding.
    """
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")
    if os.name != "nt" and re.match("ANSI|US-ASCII|646", locale.nl_langinfo(locale.CODESET)):
        os.environ["LANG"] = os.environ.pop("LC_ALL", "") or os.environ.get("LANG", "")
        os.environ["LC_CTYPE"] = "UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def read_choices(arguments):
    """Split the arguments into what stands before the command, and the rest."""
    choices, rest = {}, list(arguments)
    while rest and rest[0].startswith("--") and rest[0] != "--help":
        name, _, address = rest.pop(0)[2:].partition("=")
        if name == "tested" and not address:
            choices[name] = True
        elif name in ADDRESSES:
            choices[name] = checked_address(name, address)
        else:
            known = "--cpu=ADDRESS, --mirror=ADDRESS, --tested"
            sys.exit(misused(f"Unknown option --{name}. Fix: before the command one of {known}."))
    return choices, rest


def misused(message):
    """Say what is wrong with the command line; return the exit code for that."""
    print(message, file=sys.stderr)
    return 2


def checked_address(name, address):
    """Return an index's address, or the absolute path of a folder of wheels."""
    variable, where = ADDRESSES[name]
    address = address or os.environ.get(variable, "")
    if "://" in address:
        return address
    if address and name == "mirror" and Path(address).is_dir():
        return str(Path(address).resolve())
    wrong = f"--{name}={address} is no address." if address else f"--{name} needs an address."
    sys.exit(misused(f"{wrong} {where} Fix: --{name}=ADDRESS, or the variable {variable}."))


def fingerprint(choices):
    """Return a hash of what the installation depends on: project, folder, choices."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("\n[tool.")[0]
    tested = (ROOT / "constraints.txt").read_bytes() if choices.get("tested") else b""
    parts = [project.encode(), tested, str(ROOT).encode(), json.dumps(choices).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_stamp():
    """Return what the last set-up left: its choices; if finished, also hash and names."""
    for path in (UNFINISHED, STAMP):
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(path.read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else {}
    return {}


def runs(code):
    """Tell whether the Python of .venv starts and does `code`."""
    command = [str(PYTHON), "-I", "-c", "import sys, importlib.util as find; " + code]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        return subprocess.run(command, check=False, **quiet).returncode == 0
    except OSError:
        return False


def installed_names():
    """Return the names of the packages in .venv, but for those that an upgrade may rename."""
    folders = [*VENV.glob("lib/python*/site-packages"), VENV / "Lib" / "site-packages"]
    inside = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    names = {path.name for path in inside if path.is_dir() and path.name.isidentifier()}
    return sorted(n for n in names if n[0] != "_" and n != "pkg_resources")


def damage(kept, choices):
    """Return why .venv has to be made anew, or "" if there is none or it can be used."""
    if not os.path.lexists(VENV):
        return ""
    if UNFINISHED.exists() and not kept.get("holds"):
        return "its set-up was interrupted"
    if not runs(f"sys.exit(sys.version_info < {OLDEST} or not find.find_spec('pip'))"):
        return "its Python does not start, is too old, or lacks pip"
    missing = sorted(set(kept.get("holds", [])) - set(installed_names()))
    if missing:
        return f"{missing[0]} is missing from it"
    if choices.get("cpu") != kept.get("choices", {}).get("cpu"):
        return "it may hold another build of PyTorch"
    return ""


def prepare(asked):
    """Make .venv and install into it, unless that has been done already."""
    with one_at_a_time():
        kept = read_stamp()
        choices = {**kept.get("choices", {}), **asked}
        broken = damage(kept, choices)
        if not broken and kept.get("from") == fingerprint(choices):
            return
        fresh = bool(broken) or not VENV.exists()
        announce(choices, broken, fresh)
        begin(choices, [] if fresh else kept.get("holds", []))
        if fresh:
            make_environment()
        install(choices, fresh)
        content = {"from": fingerprint(choices), "choices": choices, "holds": installed_names()}
        STAMP.write_text(json.dumps(content), encoding="utf-8")
        UNFINISHED.unlink()


@contextlib.contextmanager
def one_at_a_time():
    """Let one start at a time set up; the system frees the lock when its holder ends, somehow."""
    try:
        file = LOCK.open("a")
    except OSError:  # nothing can be set up here; what is there can be used
        yield
        return
    with file:
        waiting = False
        while not lock(file):
            if not waiting:
                print("Another start is setting up; waiting for it ...", flush=True)
            waiting = True
            time.sleep(0.5)
        os.set_inheritable(file.fileno(), True)  # pip holds it, too, if this process is killed
        yield


def lock(file):
    """Return whether the lock is ours."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True


def size_of(choices):
    """Return (to download, on the disk) in GB."""
    # Elsewhere than on Linux the ordinary build has no CUDA.
    return SIZES["cuda" if sys.platform == "linux" and not choices.get("cpu") else "cpu"]


def announce(choices, broken, fresh):
    """Say what will be downloaded and where it will go."""
    if not fresh:
        print(f"更新 {VENV} 中的软件包。\nUpdating the packages in {VENV}.", flush=True)
        return
    if broken:
        print(f"{VENV}: {broken}; it is made anew.")
    download, disk = size_of(choices)
    mirror, free = choices.get("mirror", ""), shutil.disk_usage(ROOT).free / 1e9
    print(
        f"首次准备：从 {mirror or '软件包索引'} 取约 {download} GB，装入 {VENV}，"
        f"约占 {disk} GB（现有空闲 {free:.1f} GB），需要几分钟。\n"
        f"Setting up, once: about {download} GB from {mirror or 'the package index'} go into {VENV}"
        f" and take {disk} GB there ({free:.1f} GB are free); a few minutes.",
        flush=True,
    )
    if download == SIZES["cuda"][0] and not shutil.which("nvidia-smi"):
        print(
            f"没有发现 NVIDIA 显卡：加上 --cpu 只占约 {SIZES['cpu'][1]} GB，见 --help。\n"
            f"There seems to be no NVIDIA GPU: --cpu takes {SIZES['cpu'][1]} GB, see --help.",
            flush=True,
        )


def begin(choices, holds):
    """Mark .venv as unfinished, and keep what one that worked `holds`, should this be killed."""
    try:
        VENV.mkdir(exist_ok=True)
        content = json.dumps({"choices": choices, "holds": holds})
        UNFINISHED.write_text(content, encoding="utf-8")
    except OSError as error:
        sys.exit(cannot_make(error))


def cannot_make(error):
    """Return what an error of the file system means for the user."""
    return (
        f"Could not make {VENV}: {error}\n"
        "Fix: close programs that use it, free some disk space, or copy the project to a folder of"
        " your own on an ordinary disk; then run this again."
    )


def make_environment():
    """Make .venv with this Python; what a broken one held goes."""
    try:
        import venv

        for path in set(VENV.iterdir()) - {UNFINISHED}:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        # A Python that finds its library beside itself cannot be copied, only linked to.
        venv.EnvBuilder(symlinks=os.name != "nt", with_pip=True).create(VENV)
    except (ImportError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"This Python ({sys.executable}) cannot make an environment: {error}\n"
            "Fix: on Debian and Ubuntu, `apt install python3-venv`; elsewhere install a full"
            " Python; then run this again."
        )
    except (OSError, ValueError) as error:
        sys.exit(cannot_make(error))
    if not runs("pass"):
        sys.exit(f"The environment made by {sys.executable} does not start. Fix: another Python.")


def install(choices, fresh):
    """Install the project and all it needs; an environment that worked stays if pip gives up."""
    mirror = choices.get("mirror", "")
    source = ["--index-url", mirror] if "://" in mirror else []
    if mirror and not source:
        source = ["--no-index", "--find-links", mirror]
    versions = ["--constraint", "constraints.txt"] if choices.get("tested") else []
    steps = [[*source, "--editable", ".[dev]"]]
    if choices.get("cpu"):
        steps.insert(0, ["--index-url", choices["cpu"], *torch_requirements()])
    for step in steps:
        code, said = pip("install", *versions, *step)
        if code:
            if not fresh:
                UNFINISHED.unlink()
            sys.exit(explain(said, choices))
    if not runs("sys.exit(any(not find.find_spec(n) for n in ('hdd', 'torch', 'jupyterlab')))"):
        sys.exit(
            "pip installed elsewhere than into .venv: one of its files says so (prefix, target or "
            f"root). Fix: set PIP_CONFIG_FILE={os.devnull}, or see `pip config debug`."
        )


def torch_requirements():
    """Return the lines of pyproject.toml that the CPU index is asked for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"(torch(?:vision)?>=[\d.]+)"', text)


def pip(*arguments):
    """Run pip in .venv, show what it says; return its exit code and its complaints."""
    # In a log, a line for each package is noise; on a screen it shows that something happens.
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    command = [str(PYTHON), "-m", "pip", *arguments, *quiet]
    form = {"text": True, "errors": "replace", "cwd": ROOT, "close_fds": False}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, **form)
    said = []
    try:
        for line in process.stderr:
            sys.stderr.write(line)
            said.append(line)
        return process.wait(), "".join(said)
    except KeyboardInterrupt:
        process.wait()  # it has been interrupted, too, and is tidying up
        raise


def explain(said, choices):
    """Return what pip's complaint means for the user."""
    about = "import sys, sysconfig; print(sys.version.split()[0], sysconfig.get_platform(), "
    about += "sysconfig.get_config_var('SOABI') or sys.implementation.name)"
    command = [str(PYTHON), "-I", "-c", about]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    python = done.stdout.strip()
    facts = {"folder": VENV, "size": size_of(choices)[1], "python": f"Python {python}"}
    for pattern, advice in REASONS.items():
        if re.search(pattern, said):
            return "pip could not install the project. " + advice.format(**facts)
    return (
        "pip could not install the project; its message is above.\n"
        "Fix: what it says; if .venv is damaged, delete it; then run this again."
    )


def language_of_reader():
    """Return JupyterLab's name for the language that this system speaks: zh_CN or default."""
    names = [os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")]
    spoken = next((name for name in names if name), "")
    if os.name == "nt" and not spoken:
        import ctypes

        code = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        spoken = locale.windows_locale.get(code, "")
    return "zh_CN" if spoken.startswith("zh") else "default"


def prepare_lab():
    """Let JupyterLab open in the reader's language, and quietly; its menu can change both.

    At its first start it would ask about news, on top of the text.
    """
    path = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings = {
        "@jupyterlab/translation-extension:plugin": {"locale": language_of_reader()},
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    }
    with contextlib.suppress(OSError):  # in a folder that may only be read, English will do
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")


def command(action, options):
    """Return the command line of an action, without the Python in front."""
    if action == "python":
        return options
    if action == "lab":
        # Containers run as root, where Jupyter asks for this flag.
        root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        # The project is the root, so that the file browser shows hdd beside the notebooks.
        start = [
            "--ServerApp.root_dir=.",
            "--LabApp.default_url=/lab/tree/notebooks/00_overview.ipynb",
        ]
        return ["-m", MODULES[action], *start, *root, *options]
    if action == "test":
        return ["-m", MODULES[action], *SIDE_BY_SIDE, *options]
    return ["-m", MODULES[action], *options]


def main(arguments):
    """Prepare, hand over, and return the exit code."""
    if sys.version_info < OLDEST:
        sys.exit(f"Python {sys.version.split()[0]} is too old. Fix: use Python 3.10 or newer.")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # what an editor puts in their place
            stream.reconfigure(errors="replace")  # a console may lack a letter of a folder's name
    choices, rest = read_choices(arguments)
    action, options = (rest[0], rest[1:]) if rest else ("--help", [])
    if action in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if action not in (*MODULES, "python", "setup"):
        known = ", ".join([*MODULES, "python", "setup"])
        return misused(f"Unknown command {action!r}. Fix: one of {known}; or --help.")
    own_environment()
    if {"-h", "--help"} & set(options):
        return show_help(action, options)
    try:
        prepare(choices)
    except KeyboardInterrupt:
        print("\nInterrupted. Fix: the same command begins the set-up again.", file=sys.stderr)
        return 130
    if action == "lab":
        prepare_lab()
    if action == "papermill":  # it would keep every step of a progress bar as an output
        os.environ.setdefault("TQDM_DISABLE", "1")
    if action == "test":
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Files that exist are named as seen from where this was started.
    options = [str(Path(word).resolve()) if os.path.isfile(word) else word for word in options]
    return 0 if action == "setup" else hand_over(command(action, options))


def show_help(action, options):
    """Show the options of an action, which the packages in .venv know; nothing is set up for it."""
    if action != "setup" and runs("pass"):
        return hand_over(command(action, options))
    print(__doc__)
    if action != "setup":
        print(f"What {action} takes is shown after the first set-up: python3 run.py setup")
    return 0


def hand_over(options):
    """Run the Python of .venv and return its exit code."""
    process = subprocess.Popen([str(PYTHON), *options], cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C reaches the child too: Jupyter asks back, pytest reports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
