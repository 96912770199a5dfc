"""Training: one loop, one schedule, optimizers, short runs, and recorded runs from recipes."""
