"""Made-up tasks with a known answer, each with its examples, its networks and its training."""
