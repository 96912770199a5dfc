"""One loop, the recipe of a run, its optimizer and schedule, its record; `python -m hdd.train`."""
