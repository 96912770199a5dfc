"""Helpers shared by the MLP-Mixer notebooks."""
