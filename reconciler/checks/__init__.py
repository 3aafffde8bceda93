"""`doctor` and `verify`: whether this machine and the account have what a run needs."""
