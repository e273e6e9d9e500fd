"""What two pages or more need: state, guards, progress, formats, components."""
