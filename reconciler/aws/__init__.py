"""The only way to AWS: `calls.Aws`, and what it is made of."""
