"""One self-contained HTML page for people without the dashboard."""
