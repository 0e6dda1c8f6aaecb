"""What a night learns from: which pairs, which of them stand out, and what people preferred."""
