"""How a challenger is trained: recipe, memory, passes, checkpoints, several processes."""
