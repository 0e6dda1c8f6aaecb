"""Whether a challenger is better: the evidence, gathered, and the verdict, pure."""
