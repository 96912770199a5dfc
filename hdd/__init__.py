"""What several notebooks share; README.md beside this file has a line for each folder."""
