"""The frame around every page: sidebar and tour."""
