"""The embedded workspaces."""
