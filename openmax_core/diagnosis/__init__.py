"""Why a workspace does not work: what is wrong with its folders, classes, transform and logits."""
