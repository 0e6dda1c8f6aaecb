"""The simulated Discord: the demo, the playground, and the server that the tests use."""
