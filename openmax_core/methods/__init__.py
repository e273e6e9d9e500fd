"""What ranks pictures: OpenMax and scores of the logits; fit, decide, save."""
