"""What makes a notebook teach: two languages, figures, tables, exercises, the explorer."""
