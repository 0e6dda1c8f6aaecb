"""LoRA adapters: their files, the slot they are written into, other programs' formats."""
