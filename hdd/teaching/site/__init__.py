"""Pages and slides in one language each, made from the committed notebooks; nothing is executed."""
