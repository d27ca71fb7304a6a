"""The commands that merge models: each is a click command behind `evoniche`."""
