"""Ways to run the wrapped stages: in this process, or on Ray."""
