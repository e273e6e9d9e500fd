"""Fine-tuning of a network on the training pictures."""
