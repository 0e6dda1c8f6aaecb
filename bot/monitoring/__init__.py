"""What a monitor asks of a running bot: its health, whether it is ready, and its figures."""
