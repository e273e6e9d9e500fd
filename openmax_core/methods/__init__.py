"""OpenMax over logits: fit, decide, save."""
