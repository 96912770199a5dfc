"""What makes a notebook teach: two languages, figures and tables, exercises, execution."""
