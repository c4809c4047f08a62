"""The report: one HTML page per run and per video, each a single file that needs no network (docs/report.md)."""
