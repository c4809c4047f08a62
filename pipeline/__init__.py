"""The run: configuration, planning, manifest, workspace and executors. The only package that imports ray."""
