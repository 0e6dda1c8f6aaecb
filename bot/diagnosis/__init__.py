"""What `nightshift doctor` looks at: the machine, the home and its model, and Discord."""
