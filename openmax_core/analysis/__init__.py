"""Why: health of the fits, mistakes, kinds of unknowns, sensitivity to settings."""
