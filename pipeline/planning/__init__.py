"""Before a run: what is in the library, what is wrong with it, and what restoring it would take."""
