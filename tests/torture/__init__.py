"""The whole program under faults: a real `nightshift run` on a Discord of this machine, killed, stopped and starved."""
