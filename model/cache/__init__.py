"""Keys and values of what was read: the slots of a batch, prefixes kept, and the model's own cache."""
