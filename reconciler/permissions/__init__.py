"""Which IAM actions are needed for what: declared once, printed as policies, asked for before the first write."""
