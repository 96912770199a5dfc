"""Images as tensors in memory, and where they come from."""
