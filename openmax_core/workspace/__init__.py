"""One folder that names everything; the only room that knows where things lie."""
