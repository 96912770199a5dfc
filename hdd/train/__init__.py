"""Training loops and learning-rate schedules."""
