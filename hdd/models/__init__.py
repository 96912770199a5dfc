"""Networks, what they cost, and what their weights have learned."""
