"""Run notebooks with other seeds, and say which conclusions hold how often: `run.py seeds`.

Nothing is written: neither the notebooks nor their covers change.
"""

import sys
import time

from nbformat.reader import NotJSONError

from hdd.command import OneLineParser, fail
from hdd.teaching.conclusions import conclusions_in
from hdd.teaching.execute import FAILURES, find_notebooks, printed, run_with_seed

ENOUGH = 0.95  # a sentence that holds less often than this is to be reworded


def table(outcomes: dict[str, dict[int, bool]]) -> list[str]:
    """Return a line for each conclusion: how often it held, and the seeds where it did not."""
    lines = []
    for name, by_seed in outcomes.items():
        failed = [seed for seed, held in by_seed.items() if not held]
        share = 1 - len(failed) / len(by_seed)
        mark = " " if share >= ENOUGH else "!"
        seeds = f"   not with seed {', '.join(map(str, failed))}" if failed else ""
        lines.append(f"{mark} {len(by_seed) - len(failed)} of {len(by_seed)}  {name}{seeds}")
    return lines


def main(argv: list[str] | None = None) -> int:
    """Run and print; return 0, 1 if a notebook failed, or 2 after a one-line error."""
    parser = OneLineParser.of("seeds", __doc__)
    parser.add_argument("seeds", nargs="+", type=int, help="such as 7 23 101")
    parser.add_argument("--notebooks", nargs="+", default=[], help="such as 06 09; default: all")
    options = parser.parse_args(argv)
    try:
        paths = find_notebooks(options.notebooks)
    except FileNotFoundError as error:
        return fail(parser, error)
    outcomes: dict[str, dict[int, bool]] = {}
    failures = 0
    for path in paths:
        for seed in options.seeds:
            start = time.perf_counter()
            try:
                notebook = run_with_seed(path, seed)
            except (NotJSONError, OSError) as error:
                return fail(parser, error)
            except FAILURES as error:
                failures += 1
                print(f"{path.stem} failed with seed {seed}:\n{error}", flush=True)
                continue
            if notebook is None:  # nothing in it depends on the seed
                break
            for name, held in conclusions_in(printed(notebook)).items():
                outcomes.setdefault(f"{path.stem[:2]}: {name}", {})[seed] = held
            print(f"{path.stem}, seed {seed}: {time.perf_counter() - start:.1f} s", flush=True)
    print(*table(outcomes), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
