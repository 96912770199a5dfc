"""What several notebooks share; README.md beside this file has a line for each folder."""

import sys


def _reload_whole_modules() -> None:
    """Let %autoreload update every version of an edited class.

    IPython 9 patches the newest alone. Once an edit has made a module anew, others still hold the
    class from before, as `recipe` holds MLPMixer, and would build networks that no edit reaches.
    """
    autoreload = sys.modules.get("IPython.extensions.autoreload")
    if reloader := getattr(autoreload, "DeduperReloader", None):
        patch = reloader.maybe_reload_module
        reloader.maybe_reload_module = lambda self, module: (
            not module.__name__.startswith("hdd.") and patch(self, module)
        )


_reload_whole_modules()
