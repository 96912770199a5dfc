"""Figures; every function returns its Figure."""
