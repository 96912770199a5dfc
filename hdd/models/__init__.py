"""Networks and what they cost."""
