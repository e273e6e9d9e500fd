"""The dashboard's pages: they read state, call the core, and draw."""
