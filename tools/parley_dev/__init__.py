"""The development cluster: builds Parley and runs all of it privately on this machine."""
