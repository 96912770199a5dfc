"""Images as tensors in memory, and where they come from: by name, from folders, a cache."""
