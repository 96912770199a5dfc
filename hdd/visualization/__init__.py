"""Drawings of patches, tokens and weights, and the style that all figures share."""
