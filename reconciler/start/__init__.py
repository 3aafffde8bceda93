"""The first files of a project: what `init` sees in a folder, and what it writes there."""
