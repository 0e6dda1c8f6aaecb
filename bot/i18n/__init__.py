"""Every text a person reads, and the language it is read in."""
