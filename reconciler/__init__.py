"""One file, one command: a trained model on AWS."""
