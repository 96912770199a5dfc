"""What makes a notebook teach: language switch, exercise checks, execution, the explorer."""
